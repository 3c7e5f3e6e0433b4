"""Codex's questions to its user, and the elicitations of its MCP servers, as forms, and their answers. Pure.

Codex also asks for approvals of MCP tools by elicitations without fields: accepting is a confirmation, and
`acceptForSession` is passed to Codex where it offers to remember the answer.
Source: `codex app-server generate-json-schema`
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs

from ....contracts.errors import AnswerRefused
from ....contracts.ids import ApprovalRequestId, ProviderItemId
from ....contracts.provider_events import QuestionRequested
from ....contracts.questions import Question
from ....contracts.values import ApprovalDecision, JsonObject
from ....domain.question_bounds import bounded_question
from ..forms import Form, FormField, distinct_options, elicitation_answer, fits, question_id, read_form
from ..loose_json import list_of, object_of, text_of

__all__ = ["ELICITATION", "USER_INPUT", "OpenForm", "question_event", "read_codex_form"]

USER_INPUT: Final = "item/tool/requestUserInput"
ELICITATION: Final = "mcpServer/elicitation/request"

_MAX_SUMMARY: Final = 500


@attrs.frozen(kw_only=True)
class OpenForm:
    """What is needed to answer a form: the method that asked, and its fields. `remembers`: it may be answered for the
    session."""

    method: str
    fields: Mapping[str, FormField]
    remembers: bool = False

    def answer(self, decision: ApprovalDecision, answers: JsonObject | None) -> JsonObject:
        """The result to send. For questions that are declined or cancelled it is empty: the agent goes on without.

        Raises:
            AnswerRefused: an answer is to none of the questions.
        """
        if self.method == ELICITATION:
            result = elicitation_answer(self.fields, decision, answers)
            remembered = {"_meta": {"persist": "session"}} if decision == "acceptForSession" and self.remembers else {}
            return {"content": None, **result, **remembered}
        if decision not in ("accept", "acceptForSession"):
            return {"answers": {}}
        given = answers or {}
        if not given.keys() <= self.fields.keys():
            raise AnswerRefused("an answer is to none of the questions")
        return {
            "answers": {
                self.fields[question].name: {"answers": [self.fields[question].value_of(answer)]}
                for question, answer in given.items()
            }
        }


def read_codex_form(method: str, params: JsonObject) -> tuple[Form, OpenForm] | None:
    """The form of a request. None where it cannot be shown, or is no form but an address to open."""
    if method == USER_INPUT:
        form = _read_questions(params)
        return None if form is None else (form, OpenForm(method=method, fields=form.fields))
    if method != ELICITATION or params.get("mode") not in ("form", "openai/form", "openaiForm"):
        return None
    form = read_form(params.get("requestedSchema"))
    if form is None:
        return None
    persist = object_of(params.get("_meta")).get("persist")
    remembers = persist == "session" or "session" in list_of(persist)
    return form, OpenForm(method=method, fields=form.fields, remembers=remembers)


def question_event(
    request: ApprovalRequestId, form: Form, params: JsonObject, *, item: ProviderItemId | None
) -> QuestionRequested:
    """The event of a form. Its summary is the message of a server, or the first question."""
    told = {key: text for key in ("serverName", "message") if (text := text_of(params.get(key)))}
    first = next((question.text for question in form.questions), "")
    summary = (text_of(params.get("message")) or first)[:_MAX_SUMMARY] or "a question"
    return QuestionRequested(request=request, summary=summary, questions=form.questions, item=item, detail=told)


def _read_questions(params: JsonObject) -> Form | None:
    questions: list[Question] = []
    fields: dict[str, FormField] = {}
    for number, given in enumerate(map(object_of, list_of(params.get("questions"))), start=1):
        name = text_of(given.get("id"))
        options, values = distinct_options(
            [
                (label, label, text_of(one.get("description")))
                for one in map(object_of, list_of(given.get("options")))
                if (label := text_of(one.get("label")))
            ]
        )
        question = Question(
            id=question_id(name, number),
            header=text_of(given.get("header")),
            text=text_of(given.get("question")),
            options=options,
            free_text=given.get("isOther") is True,
            required=False,
            secret=given.get("isSecret") is True,
        )
        questions.append(bounded_question(question))
        fields[question.id] = FormField(name=name, values=values)
    form = Form(questions=tuple(questions), fields=fields)
    return form if questions and fits(form.questions) else None
