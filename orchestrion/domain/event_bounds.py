"""The bounds on what an agent sends, applied where it enters: every text, detail and id of a provider event. Pure.

The bounds hold for every provider. An event within them is passed on as it is; of one beyond them the longest texts
are cut, each with a marker that counts it. Text of messages has its bound in `agent_messages`, where the message
is known.
"""

from __future__ import annotations

import hashlib
from itertools import islice
from typing import Final, get_args

import attrs
import orjson

from ..contracts.ids import MAX_IDENTIFIER_LENGTH, ProviderItemId, identifier_fault
from ..contracts.payload_bounds import fitting_payload
from ..contracts.provider_events import (
    MAX_CHOICES,
    MAX_OPTIONS,
    ApprovalOption,
    ApprovalRequested,
    AttachmentProduced,
    MessageCompleted,
    MessageDelta,
    NoticeKind,
    PlanUpdated,
    ProviderRuntimeEvent,
    QuestionRequested,
    ReasoningCompleted,
    RuntimeErrorReported,
    SessionChoice,
    SessionExited,
    SessionInfoUpdated,
    SessionNotice,
    SubagentCompleted,
    SubagentMessage,
    SubagentStarted,
    ToolCompleted,
    ToolStarted,
    ToolUpdated,
    TurnCompleted,
    UsageUpdated,
)
from ..contracts.text_repair import bounded_text, repaired
from ..contracts.values import MAX_ATTACHMENT_BYTES, MAX_ATTACHMENT_NAME, MAX_ERROR_BYTES, JsonObject
from .question_bounds import bounded_questions, size_of

MAX_DETAIL_BYTES: Final = 56 * 1024
"""Of an event's detail as JSON, so that an activity has room for what the runtime adds."""
MAX_APPROVAL_DETAIL_BYTES: Final = 40 * 1024
MAX_TITLE_BYTES: Final = 2 * 1024
MAX_OPTIONS_BYTES: Final = 52 * 1024
"""Of all options of a request as JSON. What they leave of an activity's bound is the detail's."""
MAX_DESCRIPTION_BYTES: Final = 1024
"""Of a mode, a model, a command or a way to log in."""
MAX_TOKENS: Final = 10**12
MAX_COST_USD: Final = 10.0**9
"""Beyond these a count is no report of what a turn used, and a sum over turns could overflow."""
_DIGEST_BYTES: Final = 16
_MEDIA_TYPE_CHARACTERS: Final = 120
_OPTION_KEYS_BYTES: Final = len('"id":"name":"kind":')
_TOKEN_COUNTS: Final = (
    *("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens"),
    *("context_window", "context_used"),
)


def bounded_event(event: ProviderRuntimeEvent) -> ProviderRuntimeEvent:
    """`event` within the bounds. Bounding it again changes nothing."""
    match event:
        case MessageDelta() | MessageCompleted():
            return event if _is_short(event.item) else attrs.evolve(event, item=_item(event.item))
        case ToolStarted() | ToolUpdated() | ToolCompleted():
            return attrs.evolve(event, item=_item(event.item), title=_title(event.title), detail=_detail(event.detail))
        case AttachmentProduced():
            return _attachment(event)
        case SubagentStarted():
            return attrs.evolve(event, item=_item(event.item), title=_title(event.title))
        case SubagentMessage():
            return attrs.evolve(event, item=_item(event.item), text=bounded_text(event.text, MAX_DETAIL_BYTES))
        case SubagentCompleted():
            return attrs.evolve(event, item=_item(event.item))
        case PlanUpdated():
            return attrs.evolve(event, summary=_title(event.summary), detail=_detail(event.detail))
        case ReasoningCompleted():
            return attrs.evolve(event, text=bounded_text(event.text, MAX_DETAIL_BYTES))
        case ApprovalRequested():
            options = _options(event.options)
            room = MAX_DETAIL_BYTES - sum(map(_option_size, options))
            return attrs.evolve(
                event,
                summary=_title(event.summary),
                item=None if event.item is None else _item(event.item),
                options=options,
                detail=fitting_payload(event.detail, limit=min(MAX_APPROVAL_DETAIL_BYTES, room)),
            )
        case QuestionRequested():
            questions = bounded_questions(event.questions)
            room = MAX_DETAIL_BYTES - sum(map(size_of, questions))
            return attrs.evolve(
                event,
                summary=_title(event.summary),
                item=None if event.item is None else _item(event.item),
                questions=questions,
                detail=fitting_payload(event.detail, limit=min(MAX_APPROVAL_DETAIL_BYTES, room)),
            )
        case TurnCompleted():
            error = event.error
            return event if error is None else attrs.evolve(event, error=bounded_text(error, MAX_ERROR_BYTES))
        case RuntimeErrorReported():
            message = bounded_text(event.message, MAX_ERROR_BYTES)
            return attrs.evolve(event, message=message, detail=_detail(event.detail, less=MAX_ERROR_BYTES))
        case SessionNotice():
            kind = event.kind if event.kind in get_args(NoticeKind) else "session.notice"
            return attrs.evolve(event, kind=kind, summary=_title(event.summary), detail=_detail(event.detail))
        case UsageUpdated():
            return _usage(event)
        case SessionInfoUpdated():
            return _info(event)
        case SessionExited():
            return attrs.evolve(event, stderr_tail=repaired(event.stderr_tail[-MAX_ERROR_BYTES:]))
        case _:
            return event


def event_size(event: ProviderRuntimeEvent) -> int:
    """About how many bytes a bounded event takes while it waits."""
    match event:
        case MessageDelta():
            return len(event.text)
        case ToolStarted() | ToolUpdated() | ToolCompleted() | PlanUpdated() | ApprovalRequested() | SessionNotice():
            return _size(event.detail)
        case QuestionRequested():
            return _size(event.detail) + sum(map(size_of, event.questions))
        case ReasoningCompleted() | SubagentMessage():
            return len(event.text)
        case AttachmentProduced():
            return len(event.content)
        case SessionInfoUpdated():
            choices = (*event.modes, *event.models, *event.commands, *event.logins)
            return sum(len(one.id) + len(one.name) + len(one.description or "") for one in choices)
        case _:
            return 0


def _attachment(event: AttachmentProduced) -> AttachmentProduced | SessionNotice:
    """An attachment that can be stored; a notice in place of one that is empty or too large."""
    size = len(event.content)
    media_type = repaired(event.media_type)[:_MEDIA_TYPE_CHARACTERS]
    if not 0 < size <= MAX_ATTACHMENT_BYTES:
        return SessionNotice(
            kind="session.notice",
            summary=f"An image of the agent was left out: it has {size} bytes, at most {MAX_ATTACHMENT_BYTES}",
            detail={"mediaType": media_type, "size": size},
        )
    return attrs.evolve(
        event,
        item=None if event.item is None else _item(event.item),
        name=repaired(event.name)[:MAX_ATTACHMENT_NAME],
        media_type=media_type,
    )


def _size(data: object) -> int:
    match data:
        case str():
            return len(data)
        case dict():
            return sum(len(key) + _size(item) + 16 for key, item in data.items())
        case list():
            return sum(_size(item) + 8 for item in data)
        case _:
            return 8


def _detail(detail: JsonObject, *, less: int = 0) -> JsonObject:
    return detail if not detail else fitting_payload(detail, limit=MAX_DETAIL_BYTES - less)


def _usage(event: UsageUpdated) -> UsageUpdated:
    """Without counts that are out of range."""
    counts = {name: getattr(event, name) for name in _TOKEN_COUNTS}
    cost, model = event.cost_usd, event.model
    return UsageUpdated(
        **{name: count if count is not None and 0 <= count <= MAX_TOKENS else None for name, count in counts.items()},
        cost_usd=cost if cost is not None and 0 <= cost <= MAX_COST_USD else None,
        model=None if model is None else bounded_text(model, MAX_IDENTIFIER_LENGTH),
    )


def _info(event: SessionInfoUpdated) -> SessionInfoUpdated:
    return SessionInfoUpdated(
        title=None if event.title is None else _title(event.title),
        modes=_choices(event.modes),
        current_mode=_choice_id(event.current_mode),
        models=_choices(event.models),
        current_model=_choice_id(event.current_model),
        commands=_choices(event.commands),
        logins=_choices(event.logins),
        login_needed=event.login_needed,
    )


def _choices(choices: tuple[SessionChoice, ...]) -> tuple[SessionChoice, ...]:
    """The first choices whose ids a client can name."""
    named = (one for one in choices if _choice_id(one.id) is not None)
    return tuple(
        SessionChoice(
            id=one.id,
            name=bounded_text(one.name, MAX_IDENTIFIER_LENGTH),
            description=None if one.description is None else bounded_text(one.description, MAX_DESCRIPTION_BYTES),
        )
        for one in islice(named, MAX_CHOICES)
    )


def _choice_id(identity: str | None) -> str | None:
    return identity if identity is not None and identifier_fault(identity) is None else None


def _title(text: str) -> str:
    return bounded_text(text, MAX_TITLE_BYTES)


def _is_short(key: str) -> bool:
    return len(key) <= MAX_IDENTIFIER_LENGTH


def _item(item: ProviderItemId) -> ProviderItemId:
    """A key that is longer than an identifier is replaced by its digest."""
    if _is_short(item):
        return item
    return ProviderItemId(hashlib.blake2b(item.encode("utf-8", "replace"), digest_size=_DIGEST_BYTES).hexdigest())


def _options(options: tuple[ApprovalOption, ...]) -> tuple[ApprovalOption, ...]:
    """The first options that an answer can name, in their order."""
    named = (
        attrs.evolve(option, name=bounded_text(option.name, MAX_IDENTIFIER_LENGTH))
        for option in options
        if identifier_fault(option.id) is None
    )
    kept: list[ApprovalOption] = []
    left = MAX_OPTIONS_BYTES
    for option in islice(named, MAX_OPTIONS):
        left -= _option_size(option)
        if left < 0:
            break
        kept.append(option)
    return tuple(kept)


def _option_size(option: ApprovalOption) -> int:
    return len(orjson.dumps([repaired(option.id), repaired(option.name), option.kind])) + _OPTION_KEYS_BYTES
