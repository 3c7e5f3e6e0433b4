"""A connection to an agent as a scenario reads it: its events kept, and waited for by their kind."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, TypeVar
from uuid import uuid4

import anyio
import pytest
from anyio import to_thread

from ...actors.providers.adapter import AgentConnection, ProcessIdentity, Provider, SessionRequest, TurnRequest
from ...actors.providers.process.process_table import processes_of
from ...actors.providers.session_config import NO_CONFIG, SessionConfig
from ...contracts.ids import MessageId, ProviderSessionId, ThreadId, TurnId
from ...contracts.provider_events import MessageDelta, ProviderRuntimeEvent, SessionExited, TurnCompleted
from ...contracts.read_model import MessageView
from ...contracts.values import EPOCH, JsonObject, MessageRole

__all__ = ["SAFETY_NET_SECONDS", "ReadSession", "RecordedHistory", "all_have_ended", "session", "session_request"]

SAFETY_NET_SECONDS: Final = 120
"""How long one session of a scenario may take."""

_SHOWN_EVENTS: Final = 40
_SHOWN_CHARACTERS: Final = 300

E = TypeVar("E")


class RecordedHistory:
    """The messages of a scenario's turns: the `ThreadHistory` that a runtime reads from its rows.

    One object for all sessions of a conversation. A turn is in it from its start on, under its id.
    """

    def __init__(self) -> None:
        self._turns: dict[TurnId, list[MessageView]] = {}

    def begin(self, turn_id: TurnId, text: str) -> None:
        self._turns[turn_id] = [_message(turn_id, "user", text)]

    def add_answer(self, turn_id: TurnId, text: str) -> None:
        self._turns[turn_id].append(_message(turn_id, "assistant", text))

    def remove(self, turns: Collection[TurnId]) -> None:
        """Remove turns, as a revert does."""
        self._turns = {turn_id: kept for turn_id, kept in self._turns.items() if turn_id not in turns}

    async def last_turn(self) -> TurnId | None:
        return next(reversed(self._turns), None)

    async def messages(
        self, *, before: TurnId, after: TurnId | None = None, turns: int | None = None
    ) -> tuple[MessageView, ...]:
        order = list(self._turns)
        first = order.index(after) + 1 if after in order else 0
        chosen = order[first : order.index(before)]
        return tuple(message for turn_id in chosen[-turns if turns else 0 :] for message in self._turns[turn_id])


def _message(turn_id: TurnId, role: MessageRole, text: str) -> MessageView:
    return MessageView(
        id=MessageId(f"{turn_id}-{role}"),
        role=role,
        text=text,
        turn_id=turn_id,
        streaming=False,
        created_at=EPOCH,
        updated_at=EPOCH,
    )


class ReadSession:
    """One reader of one connection. `events` are all that were read, in order."""

    def __init__(self, connection: AgentConnection, history: RecordedHistory | None = None) -> None:
        self.connection = connection
        self._history = history or RecordedHistory()
        self.events: list[ProviderRuntimeEvent] = []
        self._awaited: str | None = None

    @property
    def process(self) -> ProcessIdentity:
        """The agent's process, which it has."""
        process = self.connection.process
        assert process is not None, "the agent has no process"
        return process

    async def has_ended(self) -> bool:
        """Whether no process of the agent lives; an agent without one has none."""
        process = self.connection.process
        return process is None or await all_have_ended(process)

    async def until(self, kind: type[E]) -> E:
        """Read up to the next event of this kind."""
        self._awaited = kind.__name__
        while True:
            try:
                event = await self.connection.events.receive()
            except anyio.EndOfStream:
                pytest.fail(f"the events ended, and no {kind.__name__} was among them")
            self.events.append(event)
            if isinstance(event, kind):
                self._awaited = None
                return event

    async def start_turn(self, prompt: str, *, turn_id: str | None = None) -> TurnId:
        """Hand a turn over; its id."""
        named = TurnId(turn_id or uuid4().hex)
        self._history.begin(named, prompt)
        await self.connection.start_turn(TurnRequest(text=prompt, turn_id=named))
        return named

    async def turn(self, prompt: str, *, turn_id: str | None = None) -> TurnCompleted:
        """A whole turn, in which nothing is asked."""
        before = len(self.text())
        named = await self.start_turn(prompt, turn_id=turn_id)
        completed = await self.until(TurnCompleted)
        self._history.add_answer(named, self.text()[before:])
        return completed

    async def rest(self) -> list[ProviderRuntimeEvent]:
        """Read to the end of the events and return what came from here on."""
        before = len(self.events)
        async for event in self.connection.events:
            self.events.append(event)
        return self.events[before:]

    async def exited(self) -> SessionExited:
        """Read to the end of the events, which is the agent's exit."""
        rest = await self.rest()
        assert rest, "the events ended without SessionExited"
        assert isinstance(rest[-1], SessionExited), f"the last event is {type(rest[-1]).__name__}, not SessionExited"
        return rest[-1]

    async def closed(self) -> SessionExited:
        """Close the connection as the runtime does, and read it to its end."""
        await self.connection.close()
        return await self.exited()

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    def text(self) -> str:
        return "".join(event.text for event in self.of(MessageDelta))

    def texts(self) -> list[str]:
        """The messages' texts, by item."""
        messages: dict[str, str] = {}
        for event in self.of(MessageDelta):
            messages[event.item] = messages.get(event.item, "") + event.text
        return list(messages.values())

    def account(self) -> str:
        """What was observed, for a person: the last events, and what was being waited for."""
        shown = [f"  {str(event)[:_SHOWN_CHARACTERS]}" for event in self.events[-_SHOWN_EVENTS:]]
        left_out = len(self.events) - len(shown)
        lines = [f"Observed: {len(self.events)} events"]
        lines += [f"  … {left_out} earlier ones"] if left_out else []
        lines += shown
        lines += [f"  (then waiting for {self._awaited})"] if self._awaited else []
        return "\n".join(lines)


def session_request(
    workspace: Path,
    cursor: JsonObject | None,
    history: RecordedHistory | None = None,
    config: SessionConfig = NO_CONFIG,
) -> SessionRequest:
    return SessionRequest(
        thread_id=ThreadId("thread"),
        provider_session_id=ProviderSessionId("session"),
        workspace=workspace,
        resume_cursor=cursor,
        history=history,
        config=config,
    )


@asynccontextmanager
async def session(
    provider: Provider,
    workspace: Path,
    *,
    cursor: JsonObject | None = None,
    history: RecordedHistory | None = None,
    needs: tuple[str, ...] = (),
    config: SessionConfig = NO_CONFIG,
) -> AsyncIterator[ReadSession]:
    """A session of `provider` in `workspace`, under a safety net of time. It leaves no process, however it ends.

    `needs` names what the scenario is about: fields of `Capabilities`, or `process`. The scenario is skipped where the
    adapter does not declare one of them. `history` holds the messages of the conversation's turns; give the same one to
    the session that resumes it. An error of the body gets a note with what was observed.
    """
    identity: ProcessIdentity | None = None
    read: ReadSession | None = None
    skipped: BaseException | None = None
    history = history or RecordedHistory()
    try:
        with anyio.fail_after(SAFETY_NET_SECONDS):
            async with provider.connect(session_request(workspace, cursor, history, config)) as connection:
                identity = connection.process
                try:
                    _skip_unless_declared(provider, connection, needs)
                    read = ReadSession(connection, history)
                    yield read
                except pytest.skip.Exception as reason:  # an adapter's own task group would wrap it
                    skipped = reason
    except BaseException as error:
        if read is not None:
            error.add_note(read.account())
        raise
    finally:
        if identity is not None:
            with anyio.CancelScope(shield=True):
                assert await all_have_ended(identity), "a process of the agent is left"
    if skipped is not None:
        raise skipped


def _skip_unless_declared(provider: Provider, connection: AgentConnection, needs: tuple[str, ...]) -> None:
    for need in needs:
        if need == "process":
            if connection.process is None:
                pytest.skip(f"the agents of {provider.name} have no process")
        elif not getattr(connection.capabilities, need):
            pytest.skip(f"{provider.name} declares Capabilities({need}=False)")


async def all_have_ended(identity: ProcessIdentity) -> bool:
    """Whether no process of the agent lives."""
    return await to_thread.run_sync(processes_of, identity) == []
