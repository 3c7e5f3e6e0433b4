"""The dispatcher: the answers of callers, the contents of the log at that time, and the isolation of commands.

One long module: all of its tests are about one actor, and share its faults.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import anyio
import attrs
import peewee
import pytest

from orchestrion.actors.log import dispatcher as dispatcher_module
from orchestrion.actors.log.dispatcher import Submission
from orchestrion.contracts.commands import Command
from orchestrion.contracts.errors import (
    CommandIdReused,
    CommandRejected,
    ConcurrencyConflict,
    InvalidCommand,
    OrchestrionError,
    RuntimeFailed,
    RuntimeStopped,
    StoreError,
    StoreFull,
)
from orchestrion.contracts.events import (
    EventMetadata,
    LoggedEvent,
    PersistedEvent,
    ThreadApprovalResponseRequested,
)
from orchestrion.contracts.ids import CommandId, EventId, ProviderSessionId
from orchestrion.contracts.read_model import DispatchResult
from orchestrion.contracts.values import Label
from orchestrion.domain.decide import decide
from orchestrion.domain.decision import Rejection
from orchestrion.persistence import command_group
from tests.support import builders as make
from tests.support.core import Core, ScriptedMint, envelope, envelopes_of, open_core
from tests.support.random_commands import random_run
from tests.support.raw_files import files_with

pytestmark = pytest.mark.anyio

FAIL_BAD = (
    "CREATE TRIGGER injected BEFORE INSERT ON orchestration_events WHEN NEW.stream_id LIKE 'bad%'"
    " BEGIN SELECT RAISE(ABORT, 'injected'); END"
)
FAIL_TURN_STARTS = (
    "CREATE TRIGGER injected BEFORE INSERT ON orchestration_events WHEN NEW.event_type = 'thread.turn-start-requested'"
    " BEGIN SELECT RAISE(ABORT, 'injected'); END"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


def accepted(sequence: int) -> DispatchResult:
    return DispatchResult(sequence=sequence, duplicate=False)


def repeated(sequence: int) -> DispatchResult:
    return DispatchResult(sequence=sequence, duplicate=True)


def make_deciding_defective(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make deciding the command `defect` raise."""

    def defective(states: Any, request: Any) -> Any:
        if request.command.command_id == "defect":
            raise ZeroDivisionError("a defect")
        return decide(states, request)

    monkeypatch.setattr(command_group, "decide", defective)


async def outcome(submission: Submission) -> DispatchResult | OrchestrionError:
    try:
        return await submission.result()
    except OrchestrionError as error:
        return error


async def as_group(core: Core, commands: Sequence[Command]) -> list[DispatchResult | OrchestrionError]:
    """The outcomes of commands that are in the mailbox before the dispatcher reads it."""
    submissions = [await core.dispatcher.submit(envelope(command)) for command in commands]
    core.start_dispatcher()
    return [await outcome(submission) for submission in submissions]


async def prepare_thread(core: Core) -> None:
    await core.dispatch(make.project_create())
    await core.dispatch(make.thread_create())


def persisted(events: Sequence[LoggedEvent]) -> list[PersistedEvent]:
    assert all(isinstance(event, PersistedEvent) for event in events)
    return [event for event in events if isinstance(event, PersistedEvent)]


def assert_without_gaps(events: Sequence[LoggedEvent]) -> None:
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    versions: dict[tuple[str, str], int] = {}
    for event in events:
        stream = (event.aggregate_kind, event.stream_id)
        versions[stream] = versions.get(stream, 0) + 1
        assert event.stream_version == versions[stream]


@pytest.mark.spec("E2", "E3", "E36")
async def test_an_accepted_command_answers_with_the_sequence_of_its_last_event(path: Path) -> None:
    async with open_core(path) as core:
        assert await core.dispatch(make.project_create()) == accepted(1)
        assert await core.dispatch(make.thread_create()) == accepted(2)
        assert await core.dispatch(make.turn_start(command_id="turn")) == accepted(4)
        receipts = await core.sql(
            "SELECT aggregate_kind, aggregate_id, result_sequence, status, error FROM orchestration_command_receipts"
            " WHERE command_id = 'turn'"
        )
        assert receipts == [("thread", "t1", 4, "accepted", None)]
        events = await core.events()
        assert_without_gaps(events)
        assert core.log.head == core.group.head == 4


@pytest.mark.spec("E2", "E3", "E37", "E39")
async def test_a_group_is_decided_in_order_and_rejections_stand_alone(path: Path) -> None:
    again = make.thread_create("t1", command_id="again")
    async with open_core(path, starts=["projectors"]) as core:
        answers = await as_group(
            core,
            [
                make.project_create(),
                make.thread_create("t0", project_id="none", command_id="lost"),
                again,
                again,
                make.turn_start(),
                make.turn_start(message_id="m1", command_id="same message"),
                make.thread_delete(),
                make.turn_start(message_id="m2", command_id="too late"),
            ],
        )
        sequences = [answer.sequence if isinstance(answer, DispatchResult) else None for answer in answers]
        assert sequences == [1, None, 2, 2, 4, None, 5, None]
        assert answers[3] == repeated(2)
        for answer, name in ((answers[1], "none"), (answers[5], "m1"), (answers[7], "t1")):
            assert isinstance(answer, CommandRejected)
            assert repr(name) in answer.reason
        receipts = await core.sql(
            "SELECT command_id, result_sequence FROM orchestration_command_receipts WHERE status = 'rejected'"
            " ORDER BY rowid"
        )
        assert receipts == [("lost", 1), ("same message", 4), ("too late", 5)]
        assert_without_gaps(await core.events())


@pytest.mark.spec("E37", "E38")
async def test_the_same_command_again_answers_the_same_and_appends_nothing(path: Path) -> None:
    command = make.project_create(command_id="once")
    async with open_core(path) as core:
        assert await core.dispatch(command) == accepted(1)
        await core.dispatch(make.thread_create())
        assert await core.dispatch(command) == repeated(1)
        later = make.project_create(command_id="once", created_at=make.at(60))
        assert await core.dispatch(later) == repeated(1)
        with pytest.raises(CommandIdReused) as reused:
            await core.dispatch(make.project_create(command_id="once", title="Other"))
        assert reused.value.command_id == "once"
        with pytest.raises(CommandIdReused):
            await core.dispatch(make.thread_delete(command_id="once"))
    async with open_core(path) as core:
        assert await core.dispatch(command) == repeated(1)
        with pytest.raises(CommandIdReused):
            await core.dispatch(make.project_create(command_id="once", title="Other"))
        assert len(await core.events()) == 2


@pytest.mark.lesson("L15")
@pytest.mark.spec("E38")
async def test_id_reused_within_one_group_is_compared_by_content(path: Path) -> None:
    async with open_core(path, starts=["projectors"]) as core:
        first, reused, same = await as_group(
            core,
            [
                make.project_create("p1", command_id="c"),
                make.project_create("p2", command_id="c"),
                make.project_create("p1", command_id="c"),
            ],
        )
        assert (first, same) == (accepted(1), repeated(1))
        assert isinstance(reused, CommandIdReused)
        assert len(await core.events()) == 1


@pytest.mark.spec("E39")
async def test_a_rejection_stays_even_when_its_reason_is_gone(path: Path) -> None:
    async with open_core(path) as core:
        with pytest.raises(CommandRejected) as first:
            await core.dispatch(make.thread_create(command_id="early"))
        assert not first.value.duplicate
        await core.dispatch(make.project_create())
        for command in (make.thread_create(command_id="early"), make.project_delete(command_id="early")):
            with pytest.raises(CommandRejected) as again:
                await core.dispatch(command)
            assert again.value.reason == first.value.reason
            assert again.value.duplicate
        assert len(await core.events()) == 1


@pytest.mark.spec("E35", "E40")
async def test_a_failed_statement_harms_its_own_command_alone(path: Path) -> None:
    async with open_core(path, starts=["projectors"]) as core:
        await core.sql(FAIL_BAD)
        good, bad, other = await as_group(
            core,
            [make.project_create("good"), make.project_create("bad", command_id="b"), make.project_create("other")],
        )
        assert (good, other) == (accepted(1), accepted(2))
        assert type(bad) is StoreError
        assert "injected" in str(bad)
        assert str(path) in str(bad)
        assert [event.stream_id for event in await core.events()] == ["good", "other"]
        await core.sql("DROP TRIGGER injected")
        assert await core.dispatch(make.project_create("bad", command_id="b")) == accepted(3)
        assert_without_gaps(await core.events())


@pytest.mark.spec("E35", "E40")
async def test_a_failing_second_event_leaves_nothing_of_its_command(path: Path) -> None:
    async with open_core(path) as core:
        await prepare_thread(core)
        await core.sql(FAIL_TURN_STARTS)
        with pytest.raises(StoreError):
            await core.dispatch(make.turn_start(command_id="turn"))
        assert len(await core.events()) == core.log.head == 2
        assert await core.sql("SELECT * FROM orchestration_command_receipts WHERE command_id = 'turn'") == []
        assert await core.dispatch(make.thread_meta_update(title=Label("Next"))) == accepted(3)
        await core.sql("DROP TRIGGER injected")
        assert await core.dispatch(make.turn_start(command_id="turn")) == accepted(5)
        await core.projected()
        assert_without_gaps(await core.events())


class _Commit:
    """Make COMMIT fail from now on, before or after it takes effect, with the driver's error."""

    def __init__(self, database: peewee.SqliteDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fails: str | None = None
        self._execute: Callable[..., Any] = database.execute_sql
        monkeypatch.setattr(database, "execute_sql", self._execute_sql)

    def _execute_sql(self, sql: str, *parameters: Any) -> Any:
        if sql != "COMMIT" or self.fails is None:
            return self._execute(sql, *parameters)
        fails, self.fails = self.fails, None
        if fails == "after":
            self._execute(sql)
        raise peewee.OperationalError("disk I/O error")


async def _commit_of(core: Core, monkeypatch: pytest.MonkeyPatch) -> _Commit:
    return await core.lane.run(lambda database: _Commit(database, monkeypatch))


@pytest.mark.spec("E41")
async def test_a_failed_commit_is_reported_and_the_command_may_be_resent(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_core(path, starts=["dispatcher"]) as core:
        commit = await _commit_of(core, monkeypatch)
        commit.fails = "before"
        with pytest.raises(StoreError, match="disk I/O error"):
            await core.dispatch(make.project_create(command_id="c"))
        assert await core.events() == []
        assert await core.dispatch(make.project_create(command_id="c")) == accepted(1)
        assert_without_gaps(await core.events())


@pytest.mark.spec("E41")
async def test_a_failed_commit_that_took_place_is_answered_from_the_receipts(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_core(path, starts=["dispatcher"]) as core:
        commit = await _commit_of(core, monkeypatch)
        commit.fails = "after"
        assert await core.dispatch(make.project_create(command_id="c")) == accepted(1)
        assert core.log.head == 1
        assert await core.dispatch(make.project_create(command_id="c")) == repeated(1)
        assert await core.dispatch(make.thread_create()) == accepted(2)
        assert_without_gaps(await core.events())


@pytest.mark.spec("E41")
async def test_a_group_whose_commit_failed_is_committed_one_by_one(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_core(path, starts=[]) as core:
        commit = await _commit_of(core, monkeypatch)
        commit.fails = "before"
        answers = await as_group(core, [make.project_create("p1"), make.project_create("p2")])
        assert answers == [accepted(1), accepted(2)]
        assert_without_gaps(await core.events())


async def test_a_commit_whose_outcome_cannot_be_found_out_ends_the_dispatcher(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: peewee.SqliteDatabase) -> None:
        raise StoreError("the file is gone")

    async with open_core(path, starts=[]) as core:
        commit = await _commit_of(core, monkeypatch)
        commit.fails = "after"
        monkeypatch.setattr("orchestrion.persistence.command_group.reopen", fail)
        submissions = [await core.dispatcher.submit(envelope(make.project_create(one))) for one in ("p1", "p2")]
        with pytest.raises(RuntimeFailed, match="the file is gone"):
            await core.dispatcher.run()
        for submission in submissions:
            with pytest.raises(RuntimeFailed):
                await submission.result()
        with pytest.raises(RuntimeFailed, match="the file is gone"):
            await core.dispatch(make.project_create("p3"))
        assert core.log.head == 0
    async with open_core(path) as core:
        assert len(await core.events()) == 2


async def test_a_full_disk_is_named_and_room_lets_the_same_command_through(path: Path) -> None:
    async with open_core(path, starts=["dispatcher"]) as core:
        await core.dispatch(make.project_create())
        ((pages,),) = await core.sql("PRAGMA page_count")
        await core.sql(f"PRAGMA max_page_count = {pages}")
        script = attrs.evolve(make.script(), command="x" * 100_000)
        large = make.project_meta_update("p1", scripts=(script,), command_id="large")
        with pytest.raises(StoreFull):
            await core.dispatch(large)
        await core.sql("PRAGMA max_page_count = 1000000")
        assert await core.dispatch(large) == accepted(2)


async def test_the_mailbox_keeps_the_order_of_submission_over_many_groups(path: Path) -> None:
    commands = [make.project_create(f"p{number}") for number in range(600)]
    async with open_core(path, starts=[]) as core:
        answers = await as_group(core, commands)
        assert [one.sequence for one in answers if isinstance(one, DispatchResult)] == list(range(1, 601))
        assert [event.stream_id for event in await core.events()] == [str(one.project_id) for one in commands]


async def test_full_mailbox_makes_the_next_caller_wait_and_drops_none(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher_module, "MAILBOX_COMMANDS", 3)
    async with open_core(path, starts=[]) as core:
        waiting: list[str] = []

        async def submit(name: str) -> None:
            submission = await core.dispatcher.submit(envelope(make.project_create(name)))
            waiting.append(name)
            await submission.result()

        async with anyio.create_task_group() as callers:
            for name in ("p1", "p2", "p3", "p4", "p5"):
                callers.start_soon(submit, name)
                await anyio.wait_all_tasks_blocked()
            assert waiting == ["p1", "p2", "p3"]
            assert core.dispatcher.depth == 3
            core.start_dispatcher()
        assert sorted(waiting) == [event.stream_id for event in await core.events()] == ["p1", "p2", "p3", "p4", "p5"]


@pytest.mark.spec("E41")
async def test_a_cancelled_callers_command_is_answered_when_resent(path: Path) -> None:
    command = make.project_create(command_id="c")
    async with open_core(path, starts=[]) as core:
        async with anyio.create_task_group() as callers:
            callers.start_soon(core.dispatch, command)
            await anyio.wait_all_tasks_blocked()
            callers.cancel_scope.cancel()
        assert core.dispatcher.depth == 1
        core.start_dispatcher()
        assert await core.dispatch(command) == repeated(1)


async def test_closed_dispatcher_handles_its_mailbox_and_refuses_the_rest(path: Path) -> None:
    async with open_core(path, starts=[]) as core:
        submission = await core.dispatcher.submit(envelope(make.project_create()))
        core.dispatcher.close()
        with pytest.raises(RuntimeStopped):
            await core.dispatch(make.project_create("p2"))
        await core.dispatcher.run()
        assert await submission.result() == accepted(1)


async def test_refusing_clients_lets_the_runtimes_own_actors_through(path: Path) -> None:
    async with open_core(path) as core:
        await prepare_thread(core)
        core.dispatcher.refuse_clients()
        with pytest.raises(RuntimeStopped):
            await core.dispatch(make.project_create("p2"))
        assert await core.dispatch(make.session_set("starting")) == accepted(3)


@pytest.mark.spec("E3")
async def test_stale_expected_version_is_rejected_and_leaves_no_receipt(path: Path) -> None:
    async with open_core(path) as core:
        assert (await core.dispatch(make.project_create(), expected_version=0)).sequence == 1
        update = make.project_meta_update(title=Label("New"), command_id="update")
        with pytest.raises(ConcurrencyConflict) as conflict:
            await core.dispatch(update, expected_version=0)
        assert (conflict.value.stream_id, conflict.value.expected, conflict.value.found) == ("p1", 0, 1)
        assert await core.dispatch(update, expected_version=1) == accepted(2)
        assert await core.dispatch(update, expected_version=1) == repeated(2)
        with pytest.raises(ConcurrencyConflict):
            await core.dispatch(make.thread_create(), expected_version=1)


@pytest.mark.spec("E9", "E10", "E16", "E32")
async def test_client_commands_are_their_own_root_and_occur_when_they_say(path: Path) -> None:
    async with open_core(path) as core:
        await prepare_thread(core)
        await core.dispatch(make.turn_start(command_id="turn", created_at=make.at(30)))
        sent, requested = persisted(await core.events())[-2:]
        assert (sent.event_type, requested.event_type) == ("thread.message-sent", "thread.turn-start-requested")
        assert (sent.causation_event_id, requested.causation_event_id) == (None, sent.event_id)
        assert {sent.correlation_id, requested.correlation_id} == {"turn"}
        assert {sent.command_id, requested.command_id} == {"turn"}
        assert {sent.occurred_at, requested.occurred_at} == {make.at(30)}


@pytest.mark.spec("E8", "E9", "E10", "E13")
async def test_internal_commands_carry_their_senders_envelope(path: Path) -> None:
    metadata = EventMetadata(provider_session_id=ProviderSessionId("s1"), adapter_key=Label("scripted"))
    async with open_core(path) as core:
        await prepare_thread(core)
        await core.dispatch(make.turn_start(command_id="turn"))
        requested = persisted(await core.events())[-1]
        await core.dispatch(make.session_set("starting"))
        running = make.session_set("running", active_turn_id=requested.payload.turn_id)  # type: ignore[union-attr]  # a turn-start-requested
        await core.dispatch(running, actor="provider", metadata=metadata)
        await core.dispatch(
            make.assistant_delta(),
            actor="provider",
            metadata=metadata,
            caused_by=EventId("elsewhere"),
            correlation_id=CommandId("turn"),
        )
        starting, opened, delta = persisted(await core.events())[-3:]
        assert (starting.actor_kind, starting.correlation_id, starting.causation_event_id) == ("server", None, None)
        assert (opened.actor_kind, opened.correlation_id) == ("provider", "turn")
        assert opened.causation_event_id == requested.event_id
        assert (delta.causation_event_id, delta.correlation_id) == ("elsewhere", "turn")
        assert {event.stream_id for event in (starting, opened, delta)} == {"t1"}
        assert attrs.evolve(opened.metadata, command_fingerprint=metadata.command_fingerprint) == metadata


@pytest.mark.spec("E12")
async def test_fingerprint_is_in_the_first_event_of_a_command_only(path: Path) -> None:
    async with open_core(path) as core:
        await prepare_thread(core)
        command = make.turn_start()
        await core.dispatch(command)
        sent, requested = persisted(await core.events())[-2:]
        assert sent.metadata.command_fingerprint == envelope(command).fingerprint
        assert requested.metadata == EventMetadata()


SECRET = "correct horse battery staple"


async def prepare_form(core: Core) -> None:
    await prepare_thread(core)
    form = make.question_requested(make.question(), make.question("pin", options=[], secret=True))
    await core.dispatch(form)


@pytest.mark.spec("E122")
async def test_a_secret_answer_is_in_no_file_and_is_kept_for_its_agent(path: Path) -> None:
    answers = {"q1": "red", "pin": SECRET}
    async with open_core(path) as core:
        await prepare_form(core)
        with pytest.raises(CommandRejected):
            await core.dispatch(make.approval_respond(answers={"pin": SECRET, "q1": SECRET}))
        await core.dispatch(make.approval_respond(answers=answers))
        (stored,) = persisted(await core.events())[-1:]
        assert isinstance(stored.payload, ThreadApprovalResponseRequested)
        assert stored.payload.answers == {"q1": "red", "pin": "[secret]"}
        plain = make.approval_respond(answers={"q1": "red", "pin": "[secret]"})
        assert stored.metadata.command_fingerprint == envelope(plain).fingerprint
        assert core.secrets.take(stored.event_id) == {"pin": SECRET}
        assert core.secrets.take(stored.event_id) == {}
        assert files_with(path.parent, SECRET) == []
    assert files_with(path.parent, SECRET) == []


@pytest.mark.spec("E122")
async def test_a_repeat_is_compared_without_its_secret_answers(path: Path) -> None:
    def respond(colour: str, pin: str) -> Command:
        return make.approval_respond(answers={"q1": colour, "pin": pin}, command_id="once")

    async with open_core(path) as core:
        await prepare_form(core)
    async with open_core(path, starts=["projectors"]) as core:
        first, same, other = await as_group(
            core, [respond("red", SECRET), respond("red", "another"), respond("blue", SECRET)]
        )
        assert (first, same) == (accepted(core.log.head), repeated(core.log.head))
        assert isinstance(other, CommandIdReused)
    async with open_core(path) as core:
        assert await core.dispatch(respond("red", "a third")) == repeated(core.log.head)
        with pytest.raises(CommandIdReused):
            await core.dispatch(respond("blue", SECRET))


@pytest.mark.spec("E8", "E19", "E40")
async def test_a_refused_command_leaves_neither_event_nor_receipt(path: Path) -> None:
    async with open_core(path) as core:
        with pytest.raises(InvalidCommand, match="internal command"):
            await core.dispatch(make.session_set(), actor="client")
        with pytest.raises(InvalidCommand, match="title"):
            await core.dispatch(make.project_create(title=""))
        assert await core.events() == []
        assert await core.sql("SELECT * FROM orchestration_command_receipts") == []


@pytest.mark.lesson("L16")
@pytest.mark.spec("E40")
async def test_defect_while_deciding_leaves_no_receipt_and_no_other_failure(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    make_deciding_defective(monkeypatch)
    async with open_core(path, starts=[]) as core:
        submissions = [
            await core.dispatcher.submit(envelope(make.project_create(one, command_id=one)))
            for one in ("p1", "defect", "p2")
        ]
        core.start_dispatcher()
        assert (await submissions[0].result()).sequence == 1
        with pytest.raises(ZeroDivisionError):
            await submissions[1].result()
        assert (await submissions[2].result()).sequence == 2
        (record,) = caplog.records
        assert (vars(record)["command_id"], vars(record)["project_id"]) == ("defect", "defect")
        assert record.exc_info is not None
        monkeypatch.setattr(command_group, "decide", decide)
        assert (await core.dispatch(make.project_create("defect", command_id="defect"))).sequence == 3


@pytest.mark.spec("E21")
async def test_minted_ids_are_time_ordered(path: Path) -> None:
    async with open_core(path) as core:
        for number in range(50):
            await core.dispatch(make.project_create(f"p{number}"))
        milliseconds = [event.event_id[:9] for event in await core.events()]
        assert milliseconds == sorted(milliseconds)
        assert len({event.event_id for event in await core.events()}) == 50


async def test_events_are_published_before_the_caller_is_answered(path: Path) -> None:
    async with open_core(path, starts=["dispatcher"]) as core:
        follower = core.log.follow(0)
        await core.dispatch(make.project_create())
        assert [event.sequence for event in follower.next_batch_nowait()] == [1]
        follower.close()


async def test_committed_commands_are_answered_although_logging_a_defect_fails(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Filters and handlers of the log are the host's code too."""

    def refuse(_: logging.LogRecord) -> bool:
        raise LookupError("a host's filter")

    make_deciding_defective(monkeypatch)
    logger = logging.getLogger("orchestrion.actors.log.dispatcher")
    logger.addFilter(refuse)
    submitted: list[Submission] = []
    heads: list[int] = []

    async def dispatch_three() -> None:
        async with open_core(path, starts=[]) as core:
            commands = [make.project_create(one, command_id=one) for one in ("p1", "defect", "p2")]
            submitted.extend([await core.dispatcher.submit(envelope(command)) for command in commands])
            core.start_dispatcher()
            try:
                await anyio.sleep_forever()
            finally:
                heads.append(core.log.head)

    try:
        with pytest.raises(ExceptionGroup) as failed:
            await dispatch_three()
    finally:
        logger.removeFilter(refuse)
    assert failed.group_contains(LookupError)
    assert heads == [2]
    first, defect, second = (submission._answer for submission in submitted)
    assert (first, repr(defect), second) == (accepted(1), "ZeroDivisionError('a defect')", accepted(2))


async def test_acknowledged_commands_are_durable(path: Path) -> None:
    async with open_core(path, starts=["dispatcher"]) as core:
        await core.sql("PRAGMA synchronous = NORMAL")
        await core.dispatch(make.project_create())
        assert await core.sql("PRAGMA synchronous") == [(2,)]


@pytest.mark.spec("E2", "E3", "E9", "E10", "E37")
@pytest.mark.parametrize(("loaded_threads", "seed"), [(1, 1), (1, 2), (2, 3), (1_000, 1)])
async def test_decisions_do_not_depend_on_cached_states(path: Path, loaded_threads: int, seed: int) -> None:
    run = random_run(seed, 400)
    mint, envelopes = ScriptedMint(run), envelopes_of(run)
    answers: list[DispatchResult | OrchestrionError] = []
    most_loaded = 0
    async with open_core(path, mint=mint, loaded_threads=loaded_threads) as core:
        mint.begin()
        for start in range(0, len(envelopes), 3):
            submissions = [await core.dispatcher.submit(one) for one in envelopes[start : start + 3]]
            answers += [await outcome(submission) for submission in submissions]
            await core.projected()
            most_loaded = max(most_loaded, core.states.loaded_threads)
        assert await core.events() == run.log
    assert [answer.sequence for answer in answers if isinstance(answer, DispatchResult)] == [
        step.outcome[-1].sequence for step in run.steps if not isinstance(step.outcome, Rejection)
    ]
    assert [answer.reason for answer in answers if isinstance(answer, CommandRejected)] == [
        step.outcome.reason for step in run.steps if isinstance(step.outcome, Rejection)
    ]
    assert most_loaded <= loaded_threads + 3
