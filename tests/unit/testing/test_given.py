"""Commands decided in memory: steps of any kind, and outcomes that are compared."""

from __future__ import annotations

import pytest

from orchestrion.contracts.events import ProjectDeleted
from orchestrion.testing.counting_mint import at
from orchestrion.testing.given import given
from tests.support.builders import project_create, project_delete, thread_create


def test_payloads_of_events_continue_the_log() -> None:
    created = given().when(project_create()).event.payload
    outcome = given(created).when(thread_create())
    assert [event.sequence for event in outcome.host.log] == [1, 2]
    assert outcome.event.stream_version == 1


def test_equal_steps_give_equal_events() -> None:
    steps = (project_create(command_id="a"), thread_create(command_id="b"))
    assert given(*steps).host.log == given(*steps).host.log


def test_rejected_step_fails_the_test_with_its_reason() -> None:
    with pytest.raises(AssertionError, match=r"given: thread\.create was rejected: .*'p1'"):
        given(thread_create())


def test_other_events_than_the_stated_ones_fail_the_test() -> None:
    outcome = given(project_create()).when(project_delete())
    outcome.then(ProjectDeleted(project_id=outcome.event.payload.project_id, deleted_at=at(2)))  # type: ignore[union-attr] # a project's
    with pytest.raises(AssertionError):
        outcome.then()
    with pytest.raises(AssertionError, match="accepted"):
        outcome.then_rejected()
