"""The read model and commands by name: what a transport carries. JSON data in, JSON data out, errors as data."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Final, Literal, Protocol, TypeAlias, TypeVar, get_args

import attrs

from ..actors.log.event_log import PAGE_EVENTS
from ..contracts.admission import parse_command
from ..contracts.codec import camel_case, read_strictly, to_json
from ..contracts.commands import Command
from ..contracts.errors import InvalidCommand, InvalidRequest, OrchestrionError
from ..contracts.event_codec import event_json
from ..contracts.ids import ThreadId
from ..contracts.read_model import AttachmentContent, DispatchResult, ReplayPage, Snapshot, SnapshotDetail, TurnDiff
from ..contracts.revert_preview import RevertPreview
from ..contracts.values import UNSET, Count, Unset

T = TypeVar("T")

Method: TypeAlias = Literal[
    "orchestration.getSnapshot",
    "orchestration.dispatchCommand",
    "orchestration.getTurnDiff",
    "orchestration.getAttachment",
    "orchestration.previewRevert",
    "orchestration.replayEvents",
]
METHODS: Final[tuple[str, ...]] = get_args(Method)


class RequestTarget(Protocol):
    """What requests are answered from: the part of `Runtime` that has names here."""

    async def dispatch(self, command: Command) -> DispatchResult: ...

    async def get_snapshot(self, *, thread_id: ThreadId | Unset = UNSET, detail: SnapshotDetail) -> Snapshot: ...

    async def get_turn_diff(self, thread_id: ThreadId, from_turn_count: int, to_turn_count: int) -> TurnDiff: ...

    async def get_attachment(self, digest: str, thread_id: ThreadId | None = None) -> AttachmentContent: ...

    async def preview_revert(self, thread_id: ThreadId, turn_count: int) -> RevertPreview: ...

    async def read_events(
        self, from_sequence_exclusive: int, *, limit: int = PAGE_EVENTS, thread_id: ThreadId | None = None
    ) -> ReplayPage: ...


@attrs.frozen(kw_only=True)
class _SnapshotParams:
    thread_id: ThreadId | Unset = UNSET
    detail: Literal["full", "summary"] | Unset = UNSET


@attrs.frozen(kw_only=True)
class _TurnDiffParams:
    thread_id: ThreadId
    from_turn_count: int
    to_turn_count: int


@attrs.frozen(kw_only=True)
class _AttachmentParams:
    digest: str
    thread_id: ThreadId | Unset = UNSET


@attrs.frozen(kw_only=True)
class _RevertParams:
    thread_id: ThreadId
    turn_count: Count


@attrs.frozen(kw_only=True)
class _ReplayParams:
    from_sequence_exclusive: Count
    limit: int | Unset = UNSET
    thread_id: ThreadId | Unset = UNSET


async def handle(runtime: RequestTarget, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Answer one request: `{"result": …}`, or `{"error": {"code", "message", "data"}}` for an error of ours."""
    try:
        return {"result": await _answer(runtime, method, params)}
    except OrchestrionError as error:
        return {"error": error_json(error)}


def error_json(error: OrchestrionError) -> dict[str, Any]:
    """An error as data. `code` is the error's class, `data` its fields."""
    fields = {camel_case(name): _plain(value) for name, value in vars(error).items() if not name.startswith("_")}
    return {"code": type(error).__name__, "message": str(error), "data": fields}


async def _answer(runtime: RequestTarget, method: str, params: Mapping[str, Any]) -> Any:
    match method:
        case "orchestration.getSnapshot":
            asked = _read(params, _SnapshotParams)
            detail = "full" if isinstance(asked.detail, Unset) else asked.detail
            return to_json(await runtime.get_snapshot(thread_id=asked.thread_id, detail=detail))
        case "orchestration.dispatchCommand":
            return {"sequence": (await runtime.dispatch(parse_command(params))).sequence}
        case "orchestration.getTurnDiff":
            range_ = _read(params, _TurnDiffParams)
            return to_json(await runtime.get_turn_diff(range_.thread_id, range_.from_turn_count, range_.to_turn_count))
        case "orchestration.getAttachment":
            named = _read(params, _AttachmentParams)
            thread_id = None if isinstance(named.thread_id, Unset) else named.thread_id
            return _attachment_json(await runtime.get_attachment(named.digest, thread_id))
        case "orchestration.previewRevert":
            revert = _read(params, _RevertParams)
            preview = await runtime.preview_revert(revert.thread_id, revert.turn_count)
            return {**to_json(preview), "undoesOthers": preview.undoes_others}
        case "orchestration.replayEvents":
            wanted = _read(params, _ReplayParams)
            page = await runtime.read_events(
                wanted.from_sequence_exclusive,
                limit=PAGE_EVENTS if isinstance(wanted.limit, Unset) else wanted.limit,
                thread_id=None if isinstance(wanted.thread_id, Unset) else wanted.thread_id,
            )
            return {"events": [event_json(event) for event in page.events], "hasMore": page.has_more}
        case _:
            raise InvalidRequest("method", f"no such method: {method!r}; there are: {', '.join(METHODS)}")


def _attachment_json(found: AttachmentContent) -> dict[str, Any]:
    return {
        "digest": found.digest,
        "name": found.name,
        "mediaType": found.media_type,
        "size": len(found.content),
        "data": base64.b64encode(found.content).decode(),
    }


def _plain(value: object) -> Any:
    """A field of an error as JSON has it; what is no value of the contract is its text."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return to_json(value) if attrs.has(type(value)) else str(value)


def _read(params: Mapping[str, Any], cls: type[T]) -> T:
    try:
        return read_strictly(params, cls)
    except InvalidCommand as error:
        raise InvalidRequest(error.field, error.fault) from None
