"""From what an agent reports to internal commands, row by row of the contract.

One long module: it has the rows of one table of the contract, in its order.
"""

from __future__ import annotations

from typing import Any

import attrs
import orjson
import pytest

from orchestrion.contracts.admission import admit_own
from orchestrion.contracts.commands import (
    InternalCommand,
    ThreadActivityAppend,
    ThreadMessageAssistantComplete,
    ThreadMessageAssistantDelta,
    ThreadSessionSet,
    ThreadTurnDiffComplete,
)
from orchestrion.contracts.events import EventMetadata
from orchestrion.contracts.ids import (
    MAX_IDENTIFIER_LENGTH,
    ApprovalOptionId,
    ApprovalRequestId,
    CheckpointRef,
    ProviderItemId,
    ProviderSessionId,
    ProviderThreadId,
    ProviderTurnId,
    QuestionId,
    ThreadId,
    TurnId,
)
from orchestrion.contracts.provider_events import (
    ApprovalOption,
    ApprovalRequested,
    ApprovalResolved,
    CheckpointCaptured,
    MessageCompleted,
    MessageDelta,
    PlanUpdated,
    ProviderRuntimeEvent,
    QuestionRequested,
    ReasoningCompleted,
    RuntimeErrorReported,
    SessionChoice,
    SessionExited,
    SessionInfoUpdated,
    SessionNotice,
    SessionStarted,
    ThreadStarted,
    ToolCompleted,
    ToolStarted,
    ToolUpdated,
    TurnCompleted,
    TurnOutcome,
    TurnStarted,
    UsageUpdated,
)
from orchestrion.contracts.questions import Question, QuestionOption
from orchestrion.contracts.values import (
    MAX_ACTIVITY_PAYLOAD_BYTES,
    MAX_ERROR_BYTES,
    MAX_MESSAGE_BYTES,
    Count,
    JsonObject,
    Label,
    SessionStatus,
)
from orchestrion.domain.agent_messages import MAX_OPEN_MESSAGES
from orchestrion.domain.event_bounds import bounded_event
from orchestrion.domain.ingest import ingest
from orchestrion.domain.session_commands import IngestedCommand, IngestState, message_id, request_id
from tests.support.builders import at, changed_file, question

SESSION = ProviderSessionId("s1")
TURN = TurnId("turn-1")
IDLE = IngestState(
    thread_id=ThreadId("t1"), provider_session_id=SESSION, provider_name=Label("agent"), adapter_key=Label("acp")
)
RUNNING = attrs.evolve(IDLE, turn_id=TURN, provider_thread_id=ProviderThreadId("theirs"))


@attrs.frozen
class Ingested:
    state: IngestState
    ingested: tuple[IngestedCommand, ...]

    @property
    def commands(self) -> list[InternalCommand]:
        return [one.command for one in self.ingested]

    @property
    def kinds(self) -> list[str]:
        return [command.type for command in self.commands]

    @property
    def metadata(self) -> EventMetadata:
        (one,) = self.ingested
        return one.metadata

    @property
    def activity(self) -> dict[str, Any]:
        (command,) = self.commands
        assert isinstance(command, ThreadActivityAppend)
        return attrs.asdict(command.activity)

    @property
    def status(self) -> tuple[SessionStatus, str | None, str | None]:
        """Status, active turn and error of the last command."""
        command = self.commands[-1]
        assert isinstance(command, ThreadSessionSet)
        return command.session.status, command.session.active_turn_id, command.session.last_error


def given(state: IngestState, *events: ProviderRuntimeEvent) -> Ingested:
    """What the last of these events leads to."""
    commands: tuple[IngestedCommand, ...] = ()
    for event in events:
        state, commands = ingest(state, event, at(7))
        for one in commands:
            admit_own(one.command, "provider")
    return Ingested(state, commands)


def item(name: str = "message-1") -> ProviderItemId:
    return ProviderItemId(name)


@pytest.mark.parametrize("kind", [SessionStarted, ThreadStarted])
@pytest.mark.parametrize(
    ("state", "status"), [(IDLE, ("ready", None, None)), (RUNNING, ("running", TURN, None))], ids=["idle", "mid-turn"]
)
def test_a_started_session_carries_the_agents_thread(
    kind: type[SessionStarted] | type[ThreadStarted],
    state: IngestState,
    status: tuple[SessionStatus, str | None, str | None],
) -> None:
    then = given(state, kind(provider_thread_id=ProviderThreadId("their-thread")))
    assert then.status == status
    assert then.metadata.provider_thread_id == "their-thread"
    assert isinstance(then.commands[0], ThreadSessionSet)
    assert then.commands[0].session.provider_thread_id == "their-thread"


def test_a_session_that_names_no_thread_keeps_the_one_it_has() -> None:
    assert given(RUNNING, SessionStarted()).state.provider_thread_id == "theirs"


def test_a_started_turn_is_metadata_only() -> None:
    then = given(RUNNING, TurnStarted(provider_turn_id=ProviderTurnId("their-turn")))
    assert then.commands == []
    after = given(then.state, MessageDelta(item=item(), text="hi"))
    assert after.metadata.provider_turn_id == "their-turn"
    ended = given(after.state, TurnCompleted(outcome="completed"), TurnStarted(), MessageDelta(item=item("m"), text=""))
    assert ended.metadata.provider_turn_id is None


def test_text_continues_a_message_below_the_session() -> None:
    then = given(RUNNING, MessageDelta(item=item(), text="hello"))
    assert then.commands == [
        ThreadMessageAssistantDelta(
            command_id=then.commands[0].command_id,
            thread_id=ThreadId("t1"),
            message_id=message_id(SESSION, item()),
            delta="hello",
            turn_id=TURN,
            created_at=at(7),
        )
    ]
    assert then.state.streaming == ("~s1/message-1",)
    assert then.metadata.provider_item_id == "message-1"


def test_text_before_the_first_turn_becomes_a_notice_of_no_turn() -> None:
    text = given(IDLE, MessageDelta(item=item(), text="A new version "), MessageDelta(item=item(), text="is there"))
    assert text.commands == []
    noticed, ready = given(text.state, SessionStarted()).commands
    assert isinstance(noticed, ThreadActivityAppend)
    assert (noticed.activity.kind, noticed.activity.turn_id) == ("session.notice", None)
    assert noticed.activity.payload == {"text": "A new version is there"}
    assert isinstance(ready, ThreadSessionSet)


def test_a_completed_message_is_completed_once() -> None:
    delta, completed = MessageDelta(item=item(), text="hello"), MessageCompleted(item=item())
    then = given(RUNNING, delta, completed)
    (command,) = then.commands
    assert isinstance(command, ThreadMessageAssistantComplete)
    assert (command.message_id, command.turn_id) == ("~s1/message-1", TURN)
    assert then.state.streaming == ()
    assert given(then.state, TurnCompleted(outcome="completed")).kinds == ["thread.session.set"]


ACTIVITIES: list[tuple[ProviderRuntimeEvent, str, str, JsonObject]] = [
    (ToolStarted(item=item("tool-1"), title="Run make"), "tool", "tool.started", {"itemId": "tool-1"}),
    (
        ToolCompleted(item=item("tool-1"), title="Run make", failed=True, detail={"output": "no"}),
        "tool",
        "tool.completed",
        {"itemId": "tool-1", "failed": True, "output": "no"},
    ),
    (PlanUpdated(summary="a; b", detail={"entries": []}), "info", "plan.updated", {"entries": []}),
    (ReasoningCompleted(text="hmm"), "info", "reasoning.completed", {"text": "hmm"}),
    (
        ApprovalRequested(request=ApprovalRequestId("r1"), kind="command", summary="Run it?", detail={"a": 1}),
        "approval",
        "approval.requested",
        {"requestId": "~s1/r1", "requestKind": "command", "a": 1},
    ),
    (
        ApprovalRequested(request=ApprovalRequestId("r1"), kind="permission", summary="Use it?", editable=True),
        "approval",
        "approval.requested",
        {"requestId": "~s1/r1", "requestKind": "permission", "editable": True},
    ),
    (
        QuestionRequested(
            request=ApprovalRequestId("r1"),
            summary="Which?",
            questions=(
                Question(id=QuestionId("q1"), header="H", text="T", options=(QuestionOption(label="red"),)),
                Question(id=QuestionId("q2"), header="", text="", secret=True, schema={"type": "string"}),
            ),
            detail={"a": 1},
        ),
        "approval",
        "question.requested",
        {
            "requestId": "~s1/r1",
            "requestKind": "question",
            "questions": [
                question("q1", header="H", text="T", options=[{"label": "red", "description": ""}]),
                question("q2", header="", text="", options=[], secret=True, schema={"type": "string"}),
            ],
            "a": 1,
        },
    ),
    (
        ApprovalResolved(request=ApprovalRequestId("r1"), decision="decline"),
        "approval",
        "approval.resolved",
        {"requestId": "~s1/r1", "decision": "decline"},
    ),
    (RuntimeErrorReported(message="odd"), "error", "runtime.error", {"message": "odd"}),
]


@pytest.mark.parametrize(("event", "tone", "kind", "payload"), ACTIVITIES, ids=[row[2] for row in ACTIVITIES])
def test_agents_tool_calls_are_activities_of_the_turn(
    event: ProviderRuntimeEvent, tone: str, kind: str, payload: JsonObject
) -> None:
    activity = given(RUNNING, event).activity
    assert (activity["tone"], activity["kind"], activity["turn_id"]) == (tone, kind, TURN)
    assert activity["payload"] == payload
    assert activity["summary"]


def test_agents_detail_never_replaces_the_runtimes_fields() -> None:
    false: JsonObject = {"requestId": "r9", "requestKind": "x", "itemId": "i9", "failed": False, "message": "none"}
    request = ApprovalRequested(request=ApprovalRequestId("r1"), kind="command", summary="?", detail=false)
    assert given(RUNNING, request).activity["payload"]["requestId"] == "~s1/r1"
    tool = ToolCompleted(item=item("tool-1"), title="Run", failed=True, detail=false)
    assert given(RUNNING, tool).activity["payload"] | false != given(RUNNING, tool).activity["payload"]
    assert given(RUNNING, tool).activity["payload"]["itemId"] == "tool-1"
    assert given(RUNNING, RuntimeErrorReported(message="odd", detail=false)).activity["payload"]["message"] == "odd"


@pytest.mark.parametrize(
    "event", [row[0] for row in ACTIVITIES[4:8]], ids=["approval", "editable", "question", "resolved"]
)
def test_approvals_request_is_in_the_metadata_too(event: ProviderRuntimeEvent) -> None:
    assert given(RUNNING, event).metadata.request_id == request_id(SESSION, ApprovalRequestId("r1")) == "~s1/r1"


OUTCOMES: list[tuple[TurnOutcome, SessionStatus]] = [
    ("completed", "ready"),
    ("failed", "error"),
    ("cancelled", "interrupted"),
    ("interrupted", "interrupted"),
]


@pytest.mark.parametrize(("outcome", "status"), OUTCOMES)
def test_end_of_a_turn_completes_its_messages_without_a_turn_id(outcome: TurnOutcome, status: SessionStatus) -> None:
    texts = [MessageDelta(item=item(f"message-{number}"), text="…") for number in (1, 2)]
    then = given(RUNNING, *texts, TurnCompleted(outcome=outcome, error="why" if outcome == "failed" else None))
    failed = ["thread.activity.append"] if outcome == "failed" else []
    assert then.kinds == ["thread.message.assistant.complete"] * 2 + failed + ["thread.session.set"]
    assert [getattr(command, "message_id", None) for command in then.commands[:2]] == ["~s1/message-1", "~s1/message-2"]
    assert then.status == (status, None, "why" if outcome == "failed" else None)
    assert (then.state.turn_id, then.state.streaming) == (None, ())


FAILURES: list[tuple[ProviderRuntimeEvent, str, str]] = [
    (TurnCompleted(outcome="failed", error="slow down", reason="rate_limited"), "rate_limited", "slow down"),
    (TurnCompleted(outcome="failed"), "unknown", "the agent gave no reason"),
    (RuntimeErrorReported(message="silent", fatal=True, reason="unresponsive"), "unresponsive", "silent"),
    (SessionExited(asked=False, exit_code=3), "agent_crashed", "the agent process ended with exit status 3"),
]


@pytest.mark.lesson("L32")
@pytest.mark.parametrize(("event", "reason", "message"), FAILURES)
def test_failed_turn_reports_the_reason_before_its_final_status(
    event: ProviderRuntimeEvent, reason: str, message: str
) -> None:
    *_, failed, ended = given(RUNNING, event).commands
    assert isinstance(failed, ThreadActivityAppend)
    assert isinstance(ended, ThreadSessionSet)
    assert (failed.activity.kind, failed.activity.tone, failed.activity.turn_id) == ("turn.failed", "error", TURN)
    assert failed.activity.payload == {"turnId": TURN, "reason": reason, "message": message}
    assert given(RUNNING, event, SessionExited(asked=True)).kinds == ["thread.session.set"]


def test_failed_turn_reports_when_to_retry() -> None:
    limited = TurnCompleted(outcome="failed", error="slow down", reason="rate_limited", retry_at=at(60))
    failed = given(RUNNING, limited).commands[-2]
    assert isinstance(failed, ThreadActivityAppend)
    assert failed.activity.payload["retryAt"] == at(60)


@pytest.mark.parametrize("outcome", ["completed", "cancelled", "interrupted"])
def test_turn_that_did_not_fail_has_no_failure(outcome: TurnOutcome) -> None:
    assert given(RUNNING, TurnCompleted(outcome=outcome, error="odd")).kinds == ["thread.session.set"]


@pytest.mark.lesson("L32")
def test_agent_that_ends_between_turns_leaves_the_reason() -> None:
    then = given(IDLE, SessionExited(asked=False, exit_code=3, stderr_tail="no credit"))
    died, ended = then.commands
    assert isinstance(died, ThreadActivityAppend)
    assert (died.activity.kind, died.activity.turn_id) == ("runtime.error", None)
    error = "the agent process ended with exit status 3: no credit"
    assert died.activity.payload == {"message": error, "reason": "agent_crashed"}
    assert isinstance(ended, ThreadSessionSet)
    assert given(IDLE, SessionExited(asked=True)).kinds == ["thread.session.set"]


def test_the_end_of_a_turn_that_is_over_leads_to_nothing() -> None:
    over = given(RUNNING, TurnCompleted(outcome="completed")).state
    assert given(over, TurnCompleted(outcome="failed", error="late")) == Ingested(over, ())


def test_a_captured_checkpoint_is_a_diff_and_a_note_that_name_no_session() -> None:
    captured = CheckpointCaptured(
        turn_id=TURN,
        turn_count=Count(3),
        ref=CheckpointRef("refs/orchestrion/x"),
        status="ready",
        files=(changed_file(),),
        summary="Turn 3 changed 1 file",
    )
    then = given(IDLE, captured)
    diff, noted = then.commands
    assert isinstance(diff, ThreadTurnDiffComplete)
    assert (diff.turn_id, diff.checkpoint_turn_count, diff.files) == (TURN, 3, (changed_file(),))
    assert isinstance(noted, ThreadActivityAppend)
    assert noted.activity.kind == "checkpoint.captured"
    assert all(one.metadata.provider_session_id is None for one in then.ingested)
    assert given(IDLE, captured, captured).commands == then.commands


def test_an_error_that_is_not_fatal_ends_nothing() -> None:
    then = given(RUNNING, RuntimeErrorReported(message="odd"))
    assert then.kinds == ["thread.activity.append"]
    assert then.state.turn_id == TURN


def test_a_fatal_error_ends_the_turn_with_the_session() -> None:
    then = given(RUNNING, MessageDelta(item=item(), text="…"), RuntimeErrorReported(message="broken", fatal=True))
    assert then.kinds == [
        "thread.activity.append",
        "thread.message.assistant.complete",
        "thread.activity.append",
        "thread.session.set",
    ]
    assert then.status == ("error", None, "broken")


@pytest.mark.parametrize("asked", [True, False])
def test_fatal_error_stays_the_reason_after_the_agent_ends(asked: bool) -> None:
    fatal = RuntimeErrorReported(message="broken", fatal=True)
    then = given(RUNNING, fatal, SessionExited(asked=asked, exit_code=-15))
    assert then.status == ("error", None, "broken")


def test_a_requested_exit_stops_the_session_and_completes_messages() -> None:
    then = given(RUNNING, MessageDelta(item=item(), text="…"), SessionExited(asked=True, exit_code=0))
    assert then.kinds == ["thread.message.assistant.complete", "thread.session.set"]
    assert then.status == ("stopped", None, None)
    assert then.state.fatal_error is None


@pytest.mark.parametrize(
    ("event", "error"),
    [
        (SessionExited(asked=False), "the agent process ended"),
        (SessionExited(asked=False, exit_code=3), "the agent process ended with exit status 3"),
        (
            SessionExited(asked=False, exit_code=1, stderr_tail="\nno memory\n"),
            "the agent process ended with exit status 1: no memory",
        ),
    ],
)
def test_unrequested_exit_is_an_error_with_the_end_of_stderr(event: SessionExited, error: str) -> None:
    then = given(RUNNING, event)
    assert then.status == ("error", None, error)
    assert then.state.fatal_error == error


def test_commands_are_numbered_without_gaps_below_their_session() -> None:
    state, seen = RUNNING, list[str]()
    for event in (MessageDelta(item=item(), text="a"), RuntimeErrorReported(message="x"), SessionExited(asked=True)):
        then = given(state, event)
        state, seen = then.state, seen + [command.command_id for command in then.commands]
    assert seen == [f"~s1/{number}" for number in range(1, 5)]
    assert state.count == 4


def test_too_long_ids_are_replaced_by_their_digest() -> None:
    long, other = "x" * MAX_IDENTIFIER_LENGTH, "x" * (MAX_IDENTIFIER_LENGTH - 1) + "y"
    ids = {message_id(SESSION, ProviderItemId(key)) for key in (long, other)}
    assert len(ids) == 2
    assert all(len(one) <= MAX_IDENTIFIER_LENGTH for one in ids)
    request = ApprovalRequested(request=ApprovalRequestId(long), kind="command", summary="?")
    resolved = ApprovalResolved(request=ApprovalRequestId(long), decision="accept")
    payloads = [given(RUNNING, event).activity["payload"]["requestId"] for event in (request, resolved)]
    assert payloads[0] == payloads[1]


def test_ids_of_an_agent_that_are_no_identifiers_are_left_out() -> None:
    bad = "x" * (MAX_IDENTIFIER_LENGTH + 1)
    assert given(IDLE, ThreadStarted(provider_thread_id=ProviderThreadId(bad))).state.provider_thread_id is None
    assert given(RUNNING, TurnStarted(provider_turn_id=ProviderTurnId("a\nb"))).state.provider_turn_id is None
    assert given(RUNNING, MessageDelta(item=item(bad), text="hi")).metadata.provider_item_id is None


def test_lone_halves_of_surrogate_pairs_become_replacement_characters() -> None:
    (command,) = given(RUNNING, MessageDelta(item=item(), text="a\ud83d")).commands
    assert isinstance(command, ThreadMessageAssistantDelta)
    assert command.delta == "a\N{REPLACEMENT CHARACTER}"
    assert given(RUNNING, TurnCompleted(outcome="failed", error="\udc00")).status == (
        "error",
        None,
        "\N{REPLACEMENT CHARACTER}",
    )
    assert given(RUNNING, ToolStarted(item=item(), title="\udc00")).activity["summary"] == "\N{REPLACEMENT CHARACTER}"


def test_long_summaries_are_cut_and_the_whole_is_kept_in_the_payload() -> None:
    activity = given(RUNNING, RuntimeErrorReported(message="x" * 500)).activity
    assert len(activity["summary"]) == 200
    assert activity["payload"] == {"message": "x" * 500}


ENDED = given(RUNNING, MessageDelta(item=item(), text="The answer is "), TurnCompleted(outcome="completed")).state


@pytest.mark.lesson("L39")
def test_text_after_its_turn_is_a_new_message_of_that_turn() -> None:
    (delta,) = given(ENDED, MessageDelta(item=item(), text="42.")).commands
    assert isinstance(delta, ThreadMessageAssistantDelta)
    assert delta.turn_id == TURN
    assert delta.message_id != message_id(SESSION, item())


@pytest.mark.lesson("L39")
def test_text_after_its_turn_is_completed_at_the_next_boundary() -> None:
    text = MessageDelta(item=item(), text="42.")
    completed, started = given(ENDED, text, ToolStarted(item=item("tool-1"), title="build")).commands
    assert isinstance(completed, ThreadMessageAssistantComplete)
    assert completed.turn_id == TURN
    assert isinstance(started, ThreadActivityAppend)
    assert given(ENDED, text, MessageCompleted(item=item())).kinds == [completed.type]


@pytest.mark.lesson("L39")
@pytest.mark.parametrize(
    "event",
    [
        ToolStarted(item=item("tool-1"), title="build"),
        ToolCompleted(item=item("tool-1"), title="build"),
        PlanUpdated(summary="a plan"),
        ReasoningCompleted(text="a thought"),
        ApprovalRequested(request=ApprovalRequestId("r1"), kind="command", summary="may I"),
        RuntimeErrorReported(message="it broke"),
    ],
    ids=lambda event: type(event).__name__,
)
def test_activities_after_a_turn_belong_to_it_and_are_marked_late(event: ProviderRuntimeEvent) -> None:
    then = given(ENDED, event)
    assert (then.activity["turn_id"], then.activity["payload"]["late"]) == (TURN, True)
    in_turn = given(RUNNING, event)
    assert "late" not in in_turn.activity["payload"]
    before_any = given(IDLE, event)
    assert (before_any.activity["turn_id"], before_any.activity["payload"].get("late")) == (None, None)


@pytest.mark.lesson("L39")
def test_a_notice_of_the_session_joins_no_turn() -> None:
    for state in (IDLE, RUNNING, ENDED):
        noticed = given(state, SessionNotice(kind="session.notice", summary="a new version is there"))
        assert (noticed.activity["turn_id"], noticed.activity["payload"]) == (None, {})


@pytest.mark.lesson("L41")
def test_message_is_cut_at_4_mib_with_a_marker_at_its_end() -> None:
    state, text, kept = RUNNING, "é" * 300_000, ""
    for _ in range(10):
        then = given(state, MessageDelta(item=item(), text=text))
        state = then.state
        kept += "".join(one.delta for one in then.commands if isinstance(one, ThreadMessageAssistantDelta))
    marker, completed = given(state, MessageCompleted(item=item())).commands
    assert kept == "é" * (MAX_MESSAGE_BYTES // 2)
    assert isinstance(marker, ThreadMessageAssistantDelta)
    assert marker.delta == f"… [cut: {3_000_000 - len(kept)} characters]"
    assert isinstance(completed, ThreadMessageAssistantComplete)


@pytest.mark.lesson("L91")
@pytest.mark.parametrize("size", [MAX_MESSAGE_BYTES - 5, MAX_MESSAGE_BYTES + 5])
def test_a_message_that_is_cut_counts_what_its_pieces_lost_before(size: int) -> None:
    given_delta = given(RUNNING, MessageDelta(item=item(), text="x" * size + "... [cut: 1000 characters]"))
    marker, _ = given(given_delta.state, MessageCompleted(item=item())).commands
    assert isinstance(marker, ThreadMessageAssistantDelta)
    assert marker.delta == f"… [cut: {size - min(size, MAX_MESSAGE_BYTES) + 1000} characters]"


@pytest.mark.lesson("L41")
def test_the_oldest_of_too_many_open_messages_is_completed() -> None:
    state = RUNNING
    for number in range(MAX_OPEN_MESSAGES + 1):
        then = given(state, MessageDelta(item=item(f"m-{number}"), text="x"))
        state = then.state
    completed, _ = then.commands
    assert isinstance(completed, ThreadMessageAssistantComplete)
    assert completed.message_id == message_id(SESSION, item("m-0"))
    assert len(state.streaming) == MAX_OPEN_MESSAGES


@pytest.mark.lesson("L78")
def test_no_message_opens_under_the_id_of_one_that_is_over() -> None:
    state, opened = RUNNING, []
    names = [f"m-{number}" for number in range(300)]
    for name in (*names, "m-0", "m-299", "m-0/5", f"~{SESSION}/m-1", *names):
        (delta,) = (then := given(state, MessageDelta(item=item(name), text="x"))).commands
        assert isinstance(delta, ThreadMessageAssistantDelta)
        opened.append(delta.message_id)
        state = given(then.state, MessageCompleted(item=item(name))).state
    assert len(set(opened)) == len(opened) == 604
    assert opened[0] == message_id(SESSION, item("m-0"))
    assert given(state, MessageCompleted(item=item("m-0"))).kinds == []


@pytest.mark.lesson("L41")
def test_the_text_of_an_error_is_cut_at_8_kib() -> None:
    for event in (
        TurnCompleted(outcome="failed", error="e" * 10**6),
        SessionExited(asked=False, stderr_tail="e" * 10**6),
    ):
        _, _, error = given(RUNNING, event).status
        assert error is not None
        assert len(error.encode()) < MAX_ERROR_BYTES + 64
        assert "… [cut: " in error
    fatal = given(RUNNING, bounded_event(RuntimeErrorReported(message="e" * 10**6, fatal=True)))
    assert all(len(str(command)) < 8 * MAX_ERROR_BYTES for command in fatal.commands)


@pytest.mark.lesson("L41")
@pytest.mark.parametrize(
    "event",
    [
        ToolStarted(item=item("t" * 10**6), title="t" * 10**6, detail={"v": "x" * 10**6}),
        ToolUpdated(item=item("t" * 10**6), title="t" * 10**6, detail={"v": ["x"] * 10**5}),
        ToolCompleted(item=item("t" * 10**6), title="t" * 10**6, detail={"v": {str(n): n for n in range(10**4)}}),
        PlanUpdated(summary="p" * 10**6, detail={"entries": ["x" * 10**6] * 4}),
        ReasoningCompleted(text="r" * 10**6),
        RuntimeErrorReported(message="e" * 10**6, detail={"excerpt": "x" * 10**6}),
        SessionNotice(kind="session.notice", summary="s" * 10**6, detail={"commands": ["x" * 1000] * 1000}),
        ApprovalRequested(
            request=ApprovalRequestId("r1"),
            kind="command",
            summary="s" * 10**6,
            item=item("t" * 10**6),
            options=tuple(
                ApprovalOption(id=ApprovalOptionId(f"{number}"), name="n" * 10**4, kind="other")
                for number in range(1000)
            ),
            detail={"v": "x" * 10**6},
        ),
        ApprovalRequested(
            request=ApprovalRequestId("r2"),
            kind="command",
            summary='"' * 10**6,
            item=item("t" * 10**6),
            options=tuple(
                ApprovalOption(id=ApprovalOptionId(f"{number}" + '"\U0001f600' * 98), name='"' * 10**4, kind="other")
                for number in range(1000)
            ),
            detail={"v": '"' * 10**6},
        ),
        QuestionRequested(
            request=ApprovalRequestId("r3"),
            summary='"' * 10**6,
            item=item("t" * 10**6),
            questions=tuple(
                Question(
                    id=QuestionId(f"{number}" + '"\U0001f600' * 60),
                    header='"' * 10**4,
                    text="\U0001f600" * 10**4,
                    options=tuple(
                        QuestionOption(label=f"{one}" + '"' * 300, description="d" * 10**4) for one in range(99)
                    ),
                    schema={"pattern": "p" * 10**5},
                )
                for number in range(1000)
            ),
            detail={"v": '"' * 10**6},
        ),
        QuestionRequested(
            request=ApprovalRequestId("r4"),
            summary="s",
            questions=tuple(
                Question(id=QuestionId(f"q{number}"), header="h", text="t" * 10**4) for number in range(1000)
            ),
        ),
    ],
    ids=lambda event: type(event).__name__,
)
def test_every_event_of_an_agent_fits_an_activity(event: ProviderRuntimeEvent) -> None:
    bounded = bounded_event(event)
    assert len(str(bounded)) < 80 * 1024
    assert bounded_event(bounded) == bounded
    for state in (RUNNING, ENDED):
        activity = given(state, bounded).activity
        assert len(orjson.dumps(activity["payload"])) <= MAX_ACTIVITY_PAYLOAD_BYTES
        assert not {"requestId", "itemId"} & {
            key for key, value in activity["payload"].items() if "cut: " in str(value)
        }


@pytest.mark.lesson("L44")
def test_updates_of_a_tool_call_share_one_activity() -> None:
    first = given(RUNNING, ToolUpdated(item=item("t"), title="Run", detail={"text": "a"}))
    second = given(first.state, ToolUpdated(item=item("t"), title="Run", detail={"text": "ab"}))
    other = given(second.state, ToolUpdated(item=item("u"), title="Run"))
    assert first.activity["id"] == second.activity["id"] != other.activity["id"]
    assert second.activity["payload"] == {"text": "ab", "itemId": "t"}
    assert second.activity["kind"] == "tool.updated"


@pytest.mark.spec("E110")
def test_usage_of_a_turn_is_one_activity_replaced_in_place() -> None:
    first = given(RUNNING, UsageUpdated(input_tokens=10, output_tokens=2, cost_usd=0.5, model="opus"))
    second = given(first.state, UsageUpdated(input_tokens=30, output_tokens=4, context_used=34))
    assert first.activity["id"] == second.activity["id"]
    assert (second.activity["kind"], second.activity["turn_id"]) == ("usage.updated", TURN)
    assert first.activity["payload"] == {"inputTokens": 10, "outputTokens": 2, "costUsd": 0.5, "model": "opus"}
    assert second.activity["payload"] == {"inputTokens": 30, "outputTokens": 4, "contextUsed": 34}


@pytest.mark.spec("E110")
def test_usage_after_a_turn_belongs_to_that_turn() -> None:
    over = given(RUNNING, TurnCompleted(outcome="completed")).state
    late = given(over, UsageUpdated(context_used=7)).activity
    assert (late["turn_id"], late["payload"]) == (TURN, {"contextUsed": 7, "late": True})


@pytest.mark.spec("E110")
@pytest.mark.parametrize("tokens", [-1, 10**13])
def test_counts_out_of_range_are_unknown(tokens: int) -> None:
    usage = bounded_event(UsageUpdated(input_tokens=tokens, output_tokens=3, cost_usd=-1.0))
    assert usage == UsageUpdated(output_tokens=3)


@pytest.mark.spec("E111")
def test_session_info_is_one_activity_of_the_thread() -> None:
    modes = (SessionChoice(id="ask", name="Ask"), SessionChoice(id="code", name="Code", description="Writes"))
    first = given(RUNNING, SessionInfoUpdated(modes=modes, current_mode="ask", title="Fix"))
    other_run = attrs.evolve(IDLE, provider_session_id=ProviderSessionId("s2"))
    second = given(other_run, SessionInfoUpdated(current_model="opus", login_needed=False))
    assert first.activity["id"] == second.activity["id"]
    assert (first.activity["kind"], first.activity["turn_id"]) == ("session.info", None)
    assert first.activity["summary"] == "Fix: mode Ask"
    assert first.activity["payload"] == {
        "title": "Fix",
        "currentMode": "ask",
        "modes": [{"id": "ask", "name": "Ask"}, {"id": "code", "name": "Code", "description": "Writes"}],
    }
    assert second.activity["payload"] == {"currentModel": "opus", "loginNeeded": False}


@pytest.mark.spec("E111")
def test_session_info_is_bounded() -> None:
    commands = tuple(SessionChoice(id=f"c{n}", name="n" * 10**4, description="d" * 10**4) for n in range(300))
    info = bounded_event(SessionInfoUpdated(commands=(SessionChoice(id="\n", name="bad"), *commands)))
    assert isinstance(info, SessionInfoUpdated)
    assert (len(info.commands), info.commands[0].id) == (256, "c0")
    assert len(orjson.dumps(given(IDLE, info).activity["payload"])) <= MAX_ACTIVITY_PAYLOAD_BYTES
