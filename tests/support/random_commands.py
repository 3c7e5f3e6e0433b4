"""Long plausible runs of commands, and the logs that they lead to.

A run imitates hosts and agents: a few projects and threads, turns requested and queued, sessions that start, work and
fail, streamed messages, tools, approvals, checkpoints, interrupts, reverts, deletions, and sometimes a command that is
rejected. The same seed gives the same run. A `Step` names its cause by the event ids of `ModelHost`
(`event-<sequence>`) and turns by its turn ids: a test that replays it elsewhere translates both.

One long module: one writer with a method for each kind of command.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol, TypeVar, get_args

import attrs
from hypothesis import strategies as st

from orchestrion.contracts.commands import Command
from orchestrion.contracts.events import EventMetadata, PersistedEvent
from orchestrion.contracts.ids import ProviderSessionId, ThreadId, TurnId
from orchestrion.contracts.values import (
    UNSET,
    ApprovalDecision,
    CheckpointStatus,
    Instant,
    Label,
    MessageRole,
    SessionStatus,
    TurnOrigin,
    Unset,
)
from orchestrion.domain.decision import Rejection
from orchestrion.domain.state import ThreadState
from orchestrion.domain.steering import STEERED
from orchestrion.testing.model_host import NO_METADATA, ModelHost
from tests.support import builders as make

T = TypeVar("T")

_PROJECTS: Final = 3
_THREADS: Final = 6
_WORDS: Final = ("the ", "roll ", "turns\n", "é", "🎵", "", "a longer piece of text, ", "x" * 300)
_ENDINGS: Final[tuple[SessionStatus, ...]] = (
    "ready",
    "ready",
    "ready",
    "ready",
    "idle",
    "error",
    "interrupted",
    "stopped",
    "starting",
)

KINDS: Final = (
    "create",
    "ask_for_turn",
    "work",
    "end_turn",
    "update",
    "steer",
    "order_queue",
    "interrupt",
    "answer_approval",
    "revert",
    "stop_session",
    "settle",
    "set_session_at_random",
    "dispatch_invalid",
    "delete",
)
"""What hosts and agents do, for a caller that wants one of a kind."""


class Chooser(Protocol):
    """The source of a run's choices: a seeded generator, or Hypothesis."""

    def choice(self, options: Sequence[T], /) -> T: ...

    def randint(self, low: int, high: int, /) -> int: ...


@attrs.frozen(kw_only=True)
class Step:
    """A command of a run with its envelope, and its outcome."""

    command: Command
    caused_by: str | None
    metadata: EventMetadata
    outcome: tuple[PersistedEvent, ...] | Rejection


@attrs.frozen
class RandomRun:
    host: ModelHost
    steps: tuple[Step, ...]

    @property
    def log(self) -> list[PersistedEvent]:
        return list(self.host.log)


def random_run(seed: int, commands: int) -> RandomRun:
    """A run of this many commands, including rejected ones."""
    writer = RunWriter(random.Random(seed))
    while len(writer.steps) < commands:
        writer.step()
    return RandomRun(writer.host, tuple(writer.steps))


def random_log(seed: int, length: int) -> list[PersistedEvent]:
    """The first `length` events of a seeded run."""
    writer = RunWriter(random.Random(seed))
    while writer.host.head < length:
        writer.step()
    return writer.host.log[:length]


@st.composite
def runs(draw: st.DrawFn, *, max_commands: int = 60) -> RandomRun:
    """Runs that Hypothesis chooses and shrinks."""
    writer = RunWriter(_Drawn(draw))
    commands = draw(st.integers(1, max_commands))
    while len(writer.steps) < commands:
        writer.step()
    return RandomRun(writer.host, tuple(writer.steps))


def logs(*, max_commands: int = 60) -> st.SearchStrategy[list[PersistedEvent]]:
    """The logs of such runs."""
    return runs(max_commands=max_commands).map(lambda run: run.log)


class _Drawn:
    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw

    def choice(self, options: Sequence[T], /) -> T:
        return self._draw(st.sampled_from(options))

    def randint(self, low: int, high: int, /) -> int:
        return self._draw(st.integers(low, high))


class RunWriter:
    """Makes one command after another, each from the state of the host. `host` may be replaced."""

    def __init__(self, chooser: Chooser, *, prefix: str = "") -> None:
        self.host = ModelHost()
        self.steps: list[Step] = []
        self._choose = chooser
        self._prefix = prefix
        self._next_command_id = make.CommandIds(f"{prefix}c")
        self._minted: dict[str, int] = {}
        self._kinds: tuple[Callable[[], None], ...] = tuple(
            kind for kind, weight in self._weights() for _ in range(weight)
        )
        self._named = {kind.__name__.removeprefix("_"): kind for kind in self._kinds}

    def step(self, kind: str | None = None) -> None:
        """Dispatch one to a few commands, of a kind of `KINDS` or of any."""
        (self._choose.choice(self._kinds) if kind is None else self._named[kind])()

    def choose_by(self, chooser: Chooser) -> None:
        """Take further choices from another chooser."""
        self._choose = chooser

    def _weights(self) -> tuple[tuple[Callable[[], None], int], ...]:
        return (
            (self._create, 6),
            (self._update, 3),
            (self._delete, 1),
            (self._ask_for_turn, 12),
            (self._work, 40),
            (self._end_turn, 6),
            (self._steer, 3),
            (self._order_queue, 2),
            (self._interrupt, 3),
            (self._answer_approval, 3),
            (self._revert, 3),
            (self._stop_session, 2),
            (self._settle, 4),
            (self._set_session_at_random, 3),
            (self._dispatch_invalid, 4),
        )

    def _dispatch(
        self, command: Command, *, caused_by: str | None = None, metadata: EventMetadata = NO_METADATA
    ) -> None:
        result = self.host.dispatch(command, caused_by=caused_by, metadata=metadata)
        outcome = result if isinstance(result, Rejection) else tuple(result)
        self.steps.append(Step(command=command, caused_by=caused_by, metadata=metadata, outcome=outcome))

    def _common(self) -> dict[str, Any]:
        """A new command id, and the present or, sometimes, an earlier instant."""
        return {"command_id": self._next_command_id(), "created_at": self._now()}

    def _now(self) -> Instant:
        return make.at(max(0, len(self.steps) - self._choose.choice((0, 0, 0, 1, 5))))

    def _mint(self, kind: str) -> str:
        self._minted[kind] = self._minted.get(kind, 0) + 1
        return f"{self._prefix}{kind}-{self._minted[kind]}"

    def _maybe(self, text: str) -> str | Unset:
        return UNSET if self._one_in(2) else text

    def _one_in(self, number: int) -> bool:
        return self._choose.randint(1, number) == 1

    def _project_id(self) -> str:
        """The id of an existing project, or sometimes of one that does not exist."""
        living = [project_id for project_id, project in self.host.projects.items() if not project.deleted]
        return self._choose.choice(living) if living and not self._one_in(8) else "project-1"

    def _any_thread_id(self) -> ThreadId:
        """The id of a thread that exists, is deleted, or never existed."""
        thread = self._thread()
        if thread is None or self._one_in(6):
            return self._choose.choice((*self.host.threads, ThreadId("thread-0")))
        return thread.thread_id

    def _thread(self) -> ThreadState | None:
        """A thread that is not deleted, if there is one."""
        living = [thread for thread in self.host.threads.values() if not thread.deleted]
        return self._choose.choice(living) if living else None

    def _create(self) -> None:
        projects = sum(not project.deleted for project in self.host.projects.values())
        threads = sum(not thread.deleted for thread in self.host.threads.values())
        if projects < _PROJECTS and (projects == 0 or self._one_in(3)):
            self._dispatch(
                make.project_create(self._mint("project"), default_model=self._maybe("model-1"), **self._common())
            )
        elif threads < _THREADS:
            branch = self._choose.choice((None, "main"))
            self._dispatch(
                make.thread_create(
                    self._mint("thread"),
                    project_id=self._project_id(),
                    model=self._maybe("model-1"),
                    provider=self._maybe("acp"),
                    branch=branch,
                    **self._common(),
                )
            )
        elif self._one_in(4):
            self._dispatch(make.thread_create(self._any_thread_id(), project_id="project-1", **self._common()))
        elif self._one_in(4):
            self._dispatch(make.project_create("project-1", **self._common()))
        else:
            self._ask_for_turn()

    def _update(self) -> None:
        command_id = self._next_command_id()
        change: dict[str, Any]
        if self._one_in(2):
            change = self._choose.choice(
                (
                    {"title": Label("Renamed")},
                    {"default_model": None},
                    {"default_model": Label("model-2"), "workspace_root": Label("/elsewhere")},
                    {"scripts": (make.script(), make.script("lint"))},
                    {"scripts": ()},
                )
            )
            self._dispatch(make.project_meta_update(self._project_id(), command_id=command_id, **change))
            return
        change = self._choose.choice(
            (
                {"title": Label("Renamed"), "model": Label("model-2")},
                {"branch": None},
                {"branch": Label("topic"), "worktree_path": Label("/tree")},
                {"worktree_path": None},
            )
        )
        self._dispatch(make.thread_meta_update(self._any_thread_id(), command_id=command_id, **change))
        if self._one_in(3):
            role: MessageRole = "user" if self._one_in(2) else "assistant"
            message = make.message_import(
                f"past-{self.host.head}",
                thread_id=self._any_thread_id(),
                role=role,
                command_id=self._next_command_id(),
            )
            self._dispatch(message)

    def _delete(self) -> None:
        thread = self._thread()
        if thread is None:
            return
        if self._one_in(3):
            siblings = [other for other in self.host.threads.values() if other.project_id == thread.project_id]
            for sibling in siblings:
                if not sibling.deleted and not self._one_in(8):
                    self._delete_thread(sibling)
            self._dispatch(make.project_delete(thread.project_id, command_id=self._next_command_id()))
            return
        self._delete_thread(thread)

    def _delete_thread(self, thread: ThreadState) -> None:
        self._dispatch(make.thread_delete(thread.thread_id, command_id=self._next_command_id()))
        if thread.session is not None:
            self._set_session(thread, "stopped", metadata=_from_session(thread))

    def _ask_for_turn(self) -> None:
        thread = self._thread()
        if thread is None:
            self._create()
            return
        self._dispatch(
            make.turn_start(
                thread.thread_id,
                self._mint("asked"),
                text="".join(self._words()),
                attachments=(make.image(),) if self._one_in(4) else (),
                model=self._maybe("model-3"),
                effort=self._maybe("high"),
                **self._common(),
            )
        )
        if self._one_in(2):
            self._open_turn(thread)

    def _words(self) -> list[str]:
        return [self._choose.choice(_WORDS) for _ in range(self._choose.randint(1, 4))]

    def _open_turn(self, thread: ThreadState) -> None:
        """Start a session unless there is one, then hand over the oldest queued turn."""
        thread = self.host.threads[thread.thread_id]
        if thread.running_turn_id is not None or not thread.queued_starts:
            return
        intent = thread.queued_starts[0]
        if thread.session is None or thread.session.status in {"stopped", "error"}:
            self._bind_session(thread)
            thread = self.host.threads[thread.thread_id]
        self._set_session(
            thread, "running", turn_id=intent.turn_id, caused_by=intent.event_id, metadata=_from_session(thread)
        )

    def _bind_session(self, thread: ThreadState) -> None:
        self._dispatch(
            make.session_set(
                "starting",
                thread_id=thread.thread_id,
                provider_session_id=self._mint("session"),
                **self._common(),
            )
        )
        if self._one_in(2):
            bound = self.host.threads[thread.thread_id]
            self._set_session(bound, "ready", metadata=_from_session(bound))

    def _set_session(
        self,
        thread: ThreadState,
        status: SessionStatus,
        *,
        turn_id: TurnId | None = None,
        turn_origin: TurnOrigin | Unset = UNSET,
        caused_by: str | None = None,
        metadata: EventMetadata = NO_METADATA,
    ) -> None:
        current = None if thread.session is None else thread.session.provider_session_id
        self._dispatch(
            make.session_set(
                status,
                thread_id=thread.thread_id,
                active_turn_id=turn_id,
                provider_session_id=current,
                provider_thread_id=None if current is None else f"theirs-{current}",
                last_error="it broke" if status == "error" else None,
                turn_origin=turn_origin,
                **self._common(),
            ),
            caused_by=caused_by,
            metadata=metadata,
        )

    def _work(self) -> None:
        """What an agent does in a turn; sometimes with no turn running."""
        thread = self._thread()
        if thread is None:
            self._create()
            return
        if thread.running_turn_id is None and thread.session is not None and self._one_in(8):
            own = TurnId(self._mint("own-turn"))
            self._set_session(thread, "running", turn_id=own, turn_origin="agent", metadata=_from_session(thread))
            return
        if thread.running_turn_id is None and thread.queued_starts:
            self._open_turn(thread)
            return
        turn_id: str | Unset = UNSET if thread.running_turn_id is None else thread.running_turn_id
        self._choose.choice(
            (*(self._write,) * 3, self._complete_message, self._use_tool, self._report_usage, self._ask_approval)
        )(thread, turn_id)

    def _streaming(self, thread: ThreadState) -> list[str]:
        return [
            message_id
            for message_id, fact in self.host.messages.items()
            if fact.thread_id == thread.thread_id and fact.streaming
        ]

    def _write(self, thread: ThreadState, turn_id: str | Unset) -> None:
        streaming = self._streaming(thread)
        message_id = self._choose.choice(streaming) if streaming and not self._one_in(4) else self._mint("answer")
        for _ in range(self._choose.randint(1, 3)):
            self._dispatch(
                make.assistant_delta(
                    message_id,
                    self._choose.choice(_WORDS),
                    thread_id=thread.thread_id,
                    turn_id=turn_id,
                    **self._common(),
                ),
                metadata=_from_session(thread),
            )

    def _complete_message(self, thread: ThreadState, turn_id: str | Unset) -> None:
        streaming = self._streaming(thread)
        message_id = self._choose.choice(streaming) if streaming else self._mint("answer")
        self._dispatch(
            make.assistant_complete(message_id, thread_id=thread.thread_id, turn_id=turn_id, **self._common()),
            metadata=_from_session(thread),
        )

    def _use_tool(self, thread: ThreadState, turn_id: str | Unset) -> None:
        activity_id = self._mint("activity")
        for kind in ("tool.started", "tool.completed"):
            line = make.activity(
                activity_id if self._one_in(3) else self._mint("activity"),
                kind=kind,
                payload={"output": "".join(self._words())},
                turn_id=None if turn_id is UNSET else turn_id,
                created_at=self._now(),
            )
            self._dispatch(
                make.activity_append(line, thread_id=thread.thread_id, **self._common()),
                metadata=_from_session(thread),
            )

    def _report_usage(self, thread: ThreadState, turn_id: str | Unset) -> None:
        counts = ("inputTokens", "outputTokens", "contextUsed", "costUsd")
        payload: dict[str, Any] = {key: self._choose.randint(0, 999) for key in counts if not self._one_in(4)}
        line = make.activity(
            f"usage-{turn_id}" if turn_id is not UNSET and self._one_in(2) else self._mint("activity"),
            kind="usage.updated",
            payload={**payload, "model": self._choose.choice(["gpt", "opus"])},
            turn_id=None if turn_id is UNSET else turn_id,
            created_at=self._now(),
        )
        self._dispatch(
            make.activity_append(line, thread_id=thread.thread_id, **self._common()), metadata=_from_session(thread)
        )

    def _ask_approval(self, thread: ThreadState, turn_id: str | Unset) -> None:
        self._dispatch(
            make.approval_requested(
                self._mint("request"),
                thread_id=thread.thread_id,
                turn_id=None if turn_id is UNSET else turn_id,
                command_id=self._next_command_id(),
            ),
            metadata=_from_session(thread),
        )

    def _answer_approval(self) -> None:
        thread = self._thread()
        if thread is None or not thread.approvals:
            return
        pending = [request_id for request_id, fact in thread.approvals.items() if fact.pending]
        request_id = self._choose.choice(pending or list(thread.approvals))
        decision = self._choose.choice(get_args(ApprovalDecision))
        if self._one_in(2):
            self._dispatch(make.approval_respond(thread.thread_id, request_id, decision, **self._common()))
            return
        self._dispatch(
            make.approval_resolved(
                request_id, decision, thread_id=thread.thread_id, command_id=self._next_command_id()
            ),
            metadata=_from_session(thread),
        )

    def _end_turn(self) -> None:
        running = [thread for thread in self.host.threads.values() if thread.running_turn_id is not None]
        if not running:
            return
        thread = self._choose.choice(running)
        turn_id = thread.running_turn_id
        assert turn_id is not None
        if not self._one_in(5):
            for message_id in self._streaming(thread):
                self._dispatch(
                    make.assistant_complete(message_id, thread_id=thread.thread_id, **self._common()),
                    metadata=_from_session(thread),
                )
        if self._one_in(3):
            self._capture(thread, turn_id)
            self._set_session(thread, self._choose.choice(_ENDINGS), metadata=_from_session(thread))
        else:
            self._set_session(thread, self._choose.choice(_ENDINGS), metadata=_from_session(thread))
            self._capture(thread, turn_id)

    def _capture(self, thread: ThreadState, turn_id: TurnId) -> None:
        self._dispatch(
            make.diff_complete(
                turn_id,
                thread.turns[turn_id].turn_count,
                thread_id=thread.thread_id,
                checkpoint_ref=self._mint("checkpoint"),
                status=self._choose.choice(get_args(CheckpointStatus)),
                files=tuple(make.changed_file(f"{name}.txt") for name in "ab"[: self._choose.randint(0, 2)]),
                assistant_message_id=self._maybe("answer-1"),
                completed_at=self._now(),
                **self._common(),
            )
        )

    def _steer(self) -> None:
        """Send a message to steer, or settle the oldest one: by its turn, or as a turn of its own."""
        thread = self._thread()
        if thread is None:
            return
        steering = [intent for intent in thread.open_intents.values() if intent.kind == "turn-steer"]
        if not steering or self._one_in(2):
            command = make.turn_steer(
                thread.thread_id, self._mint("asked"), text="".join(self._words()), **self._common()
            )
            self._dispatch(command)
        elif thread.running_turn_id is not None and self._one_in(2):
            steered = make.activity(self._mint("activity"), kind=STEERED, turn_id=thread.running_turn_id)
            self._dispatch(
                make.activity_append(steered, thread_id=thread.thread_id, **self._common()),
                caused_by=steering[0].event_id,
                metadata=_from_session(thread),
            )
        else:
            self._dispatch(
                make.steer_queue(thread.thread_id, cancel_reason=self._maybe("stopped"), **self._common()),
                caused_by=steering[0].event_id,
            )

    def _order_queue(self) -> None:
        thread = self._thread()
        if thread is not None:
            first = [turn_id for turn_id in reversed(thread.queue) if not self._one_in(3)]
            self._dispatch(make.queue_update(thread.thread_id, first, **self._common()))

    def _interrupt(self) -> None:
        thread = self._thread()
        if thread is None:
            return
        known = [intent.turn_id for intent in thread.queued_starts if intent.turn_id is not None]
        named: tuple[TurnId | Unset, ...] = (UNSET, *known, *thread.turns)
        turn_id = self._choose.choice(named)
        self._dispatch(make.turn_interrupt(thread.thread_id, turn_id, **self._common()))

    def _stop_session(self) -> None:
        thread = self._thread()
        if thread is not None:
            self._dispatch(make.session_stop(thread.thread_id, **self._common()))

    def _revert(self) -> None:
        captured = [thread for thread in self.host.threads.values() if thread.checkpoint_counts]
        if not captured:
            return
        resting = [thread for thread in captured if thread.running_turn_id is None and not thread.deleted]
        thread = self._choose.choice(captured if self._one_in(6) or not resting else resting)
        highest = max(thread.checkpoint_counts)
        turn_count = self._choose.randint(max(0, highest - 3), highest)
        self._dispatch(make.checkpoint_revert(thread.thread_id, turn_count, **self._common()))
        if not self._one_in(4):
            self._dispatch(make.revert_complete(thread.thread_id, turn_count, **self._common()))

    def _settle(self) -> None:
        """Report the outcome of an open request."""
        thread = self._thread()
        if thread is None or not thread.open_intents:
            return
        intent = self._choose.choice(list(thread.open_intents.values()))
        match intent.kind:
            case "turn-interrupt":
                self._set_session(thread, "interrupted", caused_by=intent.event_id)
            case "session-stop":
                self._set_session(thread, "stopped", caused_by=intent.event_id)
            case "checkpoint-revert":
                self._dispatch(
                    make.revert_complete(thread.thread_id, intent.turn_count or 0, **self._common()),
                    caused_by=intent.event_id,
                )
            case _:
                line = make.activity(
                    self._mint("activity"), kind=f"{intent.kind}.settled", tone="info", created_at=self._now()
                )
                self._dispatch(
                    make.activity_append(line, thread_id=thread.thread_id, **self._common()),
                    caused_by=intent.event_id,
                )

    def _set_session_at_random(self) -> None:
        """Any status with any turn: one that is over, runs, waits, or was never requested."""
        thread = self._thread()
        if thread is None:
            return
        queued = [intent.turn_id for intent in thread.queued_starts if intent.turn_id is not None]
        turn_id = self._choose.choice((None, TurnId(self._mint("unasked")), *thread.turns, *queued))
        self._set_session(thread, self._choose.choice(get_args(SessionStatus)), turn_id=turn_id)

    def _dispatch_invalid(self) -> None:
        """Mostly rejected: wrong ids, other threads' ids, a replaced session, a turn that is over."""
        thread_id = self._any_thread_id()
        message_id = self._choose.choice(list(self.host.messages) or ["nowhere"])
        odd: tuple[Command, ...] = (
            make.turn_start(thread_id, message_id, **self._common()),
            make.assistant_delta(message_id, "late", thread_id=thread_id, **self._common()),
            make.assistant_complete(message_id, thread_id=thread_id, **self._common()),
            make.diff_complete("turn-1", 1, thread_id=thread_id, **self._common()),
            make.approval_respond(thread_id, "request-1", **self._common()),
            make.checkpoint_revert(thread_id, 99, **self._common()),
            make.revert_complete(thread_id, 99, **self._common()),
            make.activity_append(make.activity("activity-1", kind="odd"), thread_id=thread_id, **self._common()),
            make.session_set("ready", thread_id=thread_id, **self._common()),
        )
        stale = EventMetadata(provider_session_id=ProviderSessionId("session-0"))
        self._dispatch(self._choose.choice(odd), metadata=self._choose.choice((NO_METADATA, stale)))


def _from_session(thread: ThreadState) -> EventMetadata:
    if thread.session is None or thread.session.provider_session_id is None:
        return NO_METADATA
    return EventMetadata(provider_session_id=thread.session.provider_session_id, adapter_key=Label("scripted"))
