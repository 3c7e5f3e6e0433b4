"""The generator of runs: repeatable, well formed, and with enough variety."""

from __future__ import annotations

import random
from collections import Counter
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings

from orchestrion.contracts.commands import CLIENT_COMMANDS, INTERNAL_COMMANDS
from orchestrion.contracts.event_codec import decode_event, encode_event
from orchestrion.contracts.events import EVENT_PAYLOADS, PersistedEvent, ThreadSessionSetEvent
from orchestrion.contracts.values import SessionStatus
from orchestrion.domain.decision import Rejection
from orchestrion.testing.model_host import ModelHost
from tests.support.random_commands import KINDS, RandomRun, RunWriter, random_log, random_run, runs

LENGTH = 1_500


@pytest.fixture(scope="module")
def run() -> RandomRun:
    return random_run(1, LENGTH)


def test_one_seed_gives_one_log() -> None:
    assert random_log(3, 200) == random_log(3, 200)
    assert random_log(3, 200) != random_log(4, 200)
    assert random_log(3, 50) == random_log(3, 200)[:50]


def test_a_writer_goes_on_from_any_host_by_any_kind() -> None:
    writer, host = RunWriter(random.Random(1)), random_run(3, 200).host
    for kind in KINDS:
        writer.host = host.copy()
        writer.step(kind)
    assert writer.steps
    assert host.log == random_run(3, 200).host.log


def test_a_long_run_holds_every_command_and_every_event(run: RandomRun) -> None:
    accepted = {step.command.type for step in run.steps if not isinstance(step.outcome, Rejection)}
    assert accepted == {command.type for command in (*CLIENT_COMMANDS, *INTERNAL_COMMANDS)}
    assert {event.event_type for event in run.log} == {payload.event_type for payload in EVENT_PAYLOADS}


def test_a_long_run_holds_every_session_status_turns_and_rejections(run: RandomRun) -> None:
    sets = [event.payload for event in run.log if isinstance(event.payload, ThreadSessionSetEvent)]
    assert {payload.session.status for payload in sets} == set(get_args(SessionStatus))
    assert sum(bool(payload.turn) for payload in sets) > 20
    rejected = Counter(step.command.type for step in run.steps if isinstance(step.outcome, Rejection))
    assert len(rejected) > 8
    assert rejected.total() < LENGTH // 2


def _check_numbers(log: list[PersistedEvent]) -> None:
    versions: Counter[tuple[str, str]] = Counter()
    seen: set[str] = set()
    for sequence, event in enumerate(log, start=1):
        versions[event.aggregate_kind, event.stream_id] += 1
        assert event.sequence == sequence
        assert event.stream_version == versions[event.aggregate_kind, event.stream_id]
        assert event.causation_event_id is None or event.causation_event_id in seen
        seen.add(event.event_id)


def _check_states(host: ModelHost) -> None:
    """The invariants that decisions rely on."""
    for thread in host.threads.values():
        counts = [fact.turn_count for fact in thread.turns.values()]
        assert len(set(counts)) == len(counts)
        assert thread.running_turn_id is None or thread.running_turn_id in thread.turns
        assert thread.checkpoint_counts <= set(counts)
        assert not (thread.deleted and (thread.open_intents or thread.running_turn_id))
        assert not any(
            fact.turn_id is not None and fact.pending and thread.deleted for fact in thread.approvals.values()
        )
    for project in host.projects.values():
        living = [t for t in host.threads.values() if t.project_id == project.project_id and not t.deleted]
        assert project.live_threads == len(living)
        assert not (project.deleted and living)


@pytest.mark.parametrize("seed", range(5))
def test_a_seeded_log_is_numbered_written_and_folded_without_loss(seed: int) -> None:
    host = random_run(seed, 600).host
    _check_numbers(host.log)
    _check_states(host)
    assert [decode_event(encode_event(event)) for event in host.log] == host.log
    again = ModelHost(host.log)
    assert (again.projects, again.threads, again.messages) == (host.projects, host.threads, host.messages)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(runs(max_commands=40))
def test_any_run_keeps_the_invariants_of_decisions(run: RandomRun) -> None:
    _check_numbers(run.log)
    _check_states(run.host)
    appended = [event for step in run.steps if not isinstance(step.outcome, Rejection) for event in step.outcome]
    assert appended == run.log
