"""The event of a request to use a tool: questions of the agent, or a request for permission. Pure."""

from __future__ import annotations

from ....contracts.ids import ApprovalRequestId, ProviderItemId
from ....contracts.provider_events import ApprovalOption, ApprovalRequested, QuestionRequested
from ....contracts.values import JsonObject
from ..agent_ids import bounded_id
from ..forms import Form
from .tools import approval_kind, tool_title

__all__ = ["request_event"]


def request_event(
    request: ApprovalRequestId,
    tool_name: str,
    given: JsonObject,
    *,
    tool_use_id: str | None,
    reason: str | None,
    options: tuple[ApprovalOption, ...],
    form: Form | None,
) -> ApprovalRequested | QuestionRequested:
    """The event of a request; `form` where its tool asks questions. A permission may change the tool's input."""
    item = None if tool_use_id is None else ProviderItemId(bounded_id(tool_use_id))
    told: JsonObject = {"toolName": tool_name} | ({} if reason is None else {"reason": reason})
    if form is not None:
        summary = "; ".join(question.text for question in form.questions) or tool_name
        return QuestionRequested(request=request, summary=summary, questions=form.questions, item=item, detail=told)
    return ApprovalRequested(
        request=request,
        kind=approval_kind(tool_name),
        summary=tool_title(tool_name, given),
        item=item,
        options=options,
        editable=True,
        detail={**told, "input": given},
    )
