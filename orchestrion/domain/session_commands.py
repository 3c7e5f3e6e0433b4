"""The commands of a provider session: how they are built, numbered and tied to their session.

Ids are derived, never minted: command ids are `~<providerSessionId>/<count>`, so that a command that was not answered
is sent again as it was. Messages and approval requests of an agent get ids below its session's, so that two runs of
an agent never share one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final, TypeVar

import attrs

from ..contracts.blobs import Blob
from ..contracts.commands import InternalCommand, ThreadSessionSet
from ..contracts.events import EventMetadata
from ..contracts.ids import (
    MAX_IDENTIFIER_LENGTH,
    ActivityId,
    ApprovalRequestId,
    CommandId,
    MessageId,
    ProviderItemId,
    ProviderSessionId,
    ProviderThreadId,
    ProviderTurnId,
    ThreadId,
    TurnId,
    identifier_fault,
    runtime_id,
)
from ..contracts.text_repair import bounded_text, repaired
from ..contracts.values import (
    MAX_ERROR_BYTES,
    UNSET,
    FailureReason,
    Instant,
    JsonObject,
    Label,
    Session,
    SessionStatus,
    Tone,
    TurnOrigin,
    Unset,
)
from .activities import append_activity

_SUMMARY_CHARACTERS: Final = 200
_DIGEST_BYTES: Final = 16

Key = TypeVar("Key", ProviderItemId, ProviderThreadId, ProviderTurnId)


@attrs.frozen(kw_only=True)
class OpenMessage:
    """A message that streams: how many bytes of it were recorded, and how many characters were cut."""

    item: ProviderItemId
    id: MessageId
    size: int = 0
    cut: int = 0


@attrs.frozen(kw_only=True)
class IngestState:
    """One run of an agent process, as far as its commands need it. `count` numbers the commands."""

    thread_id: ThreadId
    provider_session_id: ProviderSessionId
    provider_name: Label
    adapter_key: Label
    provider_thread_id: ProviderThreadId | None = None
    provider_turn_id: ProviderTurnId | None = None
    turn_id: TurnId | None = None
    last_turn_id: TurnId | None = None
    """The session's last turn that is over: what comes before the next one belongs to it."""
    open_messages: tuple[OpenMessage, ...] = ()
    completed_messages: tuple[MessageId, ...] = ()
    """The latest ones, so that a message is not completed twice."""
    early_text: str = ""
    """Text from before the session's first turn that is not reported yet."""
    asked_again: tuple[tuple[ApprovalRequestId, int], ...] = ()
    """The agent's open requests whose answers were refused, each with how often the user was asked again."""
    resumed: bool = False
    """Whether it continues an earlier run's conversation and has not completed a turn yet."""
    fatal_error: str | None = None
    fatal_reason: FailureReason | None = None
    last_error: str | None = None
    """Why the session's last turn failed, or the session ended."""
    count: int = 0

    @property
    def belongs_to(self) -> TurnId | None:
        """The turn that what the agent reports now belongs to: the running one, else the one before."""
        return self.turn_id or self.last_turn_id

    @property
    def is_late(self) -> bool:
        """Whether what the agent reports now comes after its turn."""
        return self.turn_id is None and self.last_turn_id is not None

    @property
    def streaming(self) -> tuple[MessageId, ...]:
        return tuple(message.id for message in self.open_messages)

    def open_message(self, item: ProviderItemId) -> OpenMessage | None:
        return next((message for message in self.open_messages if message.item == item), None)


@attrs.frozen(kw_only=True)
class IngestedCommand:
    """An internal command with the metadata that travels beside it, and the attachments that it refers to."""

    command: InternalCommand
    metadata: EventMetadata
    blobs: tuple[Blob, ...] = ()


def session_set(
    state: IngestState,
    status: SessionStatus,
    now: Instant,
    *,
    error: str | None = None,
    turn_origin: TurnOrigin | Unset = UNSET,
) -> IngestedCommand:
    """The command that reports the session's status; `state.turn_id` is the turn it names as active."""
    session = Session(
        thread_id=state.thread_id,
        status=status,
        provider_name=state.provider_name,
        provider_session_id=state.provider_session_id,
        provider_thread_id=state.provider_thread_id,
        active_turn_id=state.turn_id,
        last_error=None if error is None else bounded_text(error, MAX_ERROR_BYTES),
        updated_at=now,
    )
    return command(
        state,
        lambda command_id: ThreadSessionSet(
            command_id=command_id,
            thread_id=state.thread_id,
            session=session,
            turn_origin=turn_origin,
            created_at=now,
        ),
    )


def activity(
    state: IngestState,
    now: Instant,
    *,
    tone: Tone,
    kind: str,
    summary: str,
    payload: JsonObject,
    item: ProviderItemId | None = None,
    request: ApprovalRequestId | None = None,
    outside_turn: bool = False,
    replaces: str | None = None,
    activity_id: ActivityId | None = None,
) -> IngestedCommand:
    """The command that appends an activity to the thread's history, in the turn that it belongs to.

    After the end of that turn its payload has `late`. With `outside_turn` it belongs to the session alone. `replaces`
    is the session's name of an activity that gets new content in place, `activity_id` its whole id; without either the
    activity is a new one.
    """
    turn = None if outside_turn else state.belongs_to
    late = {"late": True} if turn is not None and state.is_late else {}
    return command(
        state,
        lambda command_id: append_activity(
            command_id,
            state.thread_id,
            tone=tone,
            kind=kind,
            summary=repaired(summary)[:_SUMMARY_CHARACTERS],
            payload={**payload, **late},
            turn_id=turn,
            now=now,
            activity_id=activity_id if replaces is None else ActivityId(_below(state.provider_session_id, replaces)),
        ),
        item=item,
        request=request,
    )


def command(
    state: IngestState,
    build: Callable[[CommandId], InternalCommand],
    *,
    item: ProviderItemId | None = None,
    request: ApprovalRequestId | None = None,
) -> IngestedCommand:
    return IngestedCommand(
        command=build(CommandId(runtime_id(state.provider_session_id, str(state.count + 1)))),
        metadata=EventMetadata(
            provider_session_id=state.provider_session_id,
            provider_thread_id=state.provider_thread_id,
            provider_turn_id=state.provider_turn_id if state.turn_id is not None else None,
            provider_item_id=None if item is None else identifier_or_none(item),
            adapter_key=state.adapter_key,
            request_id=request,
        ),
    )


def numbered(state: IngestState, *commands: IngestedCommand) -> IngestState:
    """The state after these commands took their numbers."""
    return attrs.evolve(state, count=state.count + len(commands))


def thread_activity_id(state: IngestState, name: str) -> ActivityId:
    """The id of an activity of which a thread has one, whatever session reports it."""
    return ActivityId(_below(ProviderSessionId(state.thread_id), name))


def message_id(session: ProviderSessionId, item: ProviderItemId) -> MessageId:
    """The id of an agent's message."""
    return MessageId(_below(session, item))


def another_message_id(session: ProviderSessionId, item: ProviderItemId, number: int) -> MessageId:
    """The id of a message whose item may have named one before. No item's own id is like it, since those have `/` right
    after the session, and none with another number."""
    return MessageId(_below(ProviderSessionId(f"{session}~{number}"), item))


def request_id(session: ProviderSessionId, request: ApprovalRequestId, number: int = 0) -> ApprovalRequestId:
    """The id of an agent's approval request: its own, below its session's.

    `number` is how often the user was asked again: each time under another id, like no id of another request.
    """
    return ApprovalRequestId(_below(ProviderSessionId(f"{session}~{number}") if number else session, request))


def asked_id(state: IngestState, request: ApprovalRequestId) -> ApprovalRequestId:
    """The id under which the user was asked last."""
    return request_id(state.provider_session_id, request, count_repeated_asks(state, request))


def count_repeated_asks(state: IngestState, request: ApprovalRequestId) -> int:
    return dict(state.asked_again).get(request, 0)


def ask_again(state: IngestState, request: ApprovalRequestId) -> IngestState:
    """The state in which the request goes by its next id."""
    number = count_repeated_asks(state, request) + 1
    rest = closed(state, request)
    return attrs.evolve(rest, asked_again=(*rest.asked_again, (request, number)))


def closed(state: IngestState, request: ApprovalRequestId) -> IngestState:
    """The state after a request was resolved."""
    rest = tuple((own, number) for own, number in state.asked_again if own != request)
    return state if rest == state.asked_again else attrs.evolve(state, asked_again=rest)


def _below(session: ProviderSessionId, key: str) -> str:
    """An agent's key below its session's id; a key that is too long for an identifier is replaced by its digest."""
    whole = runtime_id(session, key)
    if len(whole) <= MAX_IDENTIFIER_LENGTH:
        return whole
    digest = hashlib.blake2b(key.encode("utf-8", "replace"), digest_size=_DIGEST_BYTES).hexdigest()
    return runtime_id(session, digest)


def identifier_or_none(key: Key) -> Key | None:
    """An agent's own id where it is a proper identifier; one that is not is left out."""
    return key if identifier_fault(key) is None else None
