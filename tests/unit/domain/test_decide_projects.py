"""Commands of projects: the events they lead to and what rejects them."""

from __future__ import annotations

import pytest

from orchestrion.contracts.commands import Command
from orchestrion.contracts.events import ProjectCreated, ProjectDeleted, ProjectMetaUpdated
from orchestrion.contracts.ids import ProjectId
from orchestrion.contracts.values import Label
from orchestrion.testing.given import given
from tests.support.builders import (
    at,
    project_create,
    project_delete,
    project_meta_update,
    script,
    thread_create,
    thread_delete,
)


def _created(default_model: str | None) -> ProjectCreated:
    return ProjectCreated(
        project_id=ProjectId("p1"),
        title=Label("A project"),
        workspace_root=Label("/workspace"),
        default_model=None if default_model is None else Label(default_model),
        scripts=(),
        created_at=at(7),
        updated_at=at(7),
    )


@pytest.mark.spec("E15", "E16", "E18")
def test_project_create_without_a_model_has_none_and_no_scripts() -> None:
    (event,) = given().when(project_create("p1", created_at=at(7), command_id="c1")).then(_created(None))
    assert (event.aggregate_kind, event.stream_id, event.stream_version, event.sequence) == ("project", "p1", 1, 1)
    assert (event.occurred_at, event.command_id, event.causation_event_id) == (at(7), "c1", None)


@pytest.mark.spec("E15")
def test_project_create_keeps_the_model_it_is_given() -> None:
    given().when(project_create("p1", default_model="model-9", created_at=at(7))).then(_created("model-9"))


@pytest.mark.spec("E22")
def test_project_create_refuses_an_id_that_exists() -> None:
    given(project_create("p1")).when(project_create("p1")).then_rejected("p1")


@pytest.mark.spec("E22")
def test_project_create_refuses_an_id_that_ever_existed() -> None:
    given(project_create("p1"), project_delete("p1")).when(project_create("p1")).then_rejected("p1")


@pytest.mark.spec("E15", "E16", "E18")
def test_project_meta_update_carries_the_given_fields_and_the_time() -> None:
    outcome = given(project_create("p1")).when(project_meta_update("p1", title=Label("New"), scripts=(script(),)))
    outcome.then(
        ProjectMetaUpdated(project_id=ProjectId("p1"), title=Label("New"), scripts=(script(),), updated_at=at(2))
    )
    assert outcome.event.occurred_at == at(2)
    assert outcome.event.stream_version == 2


@pytest.mark.spec("E15")
def test_project_meta_update_distinguishes_cleared_and_absent_model() -> None:
    project = given(project_create("p1", default_model="model-9"))
    project.when(project_meta_update("p1", default_model=None)).then(
        ProjectMetaUpdated(project_id=ProjectId("p1"), default_model=None, updated_at=at(2))
    )
    project.when(project_meta_update("p1", workspace_root=Label("/other"))).then(
        ProjectMetaUpdated(project_id=ProjectId("p1"), workspace_root=Label("/other"), updated_at=at(3))
    )


@pytest.mark.spec("E16", "E18")
def test_project_delete() -> None:
    outcome = given(project_create("p1")).when(project_delete("p1"))
    outcome.then(ProjectDeleted(project_id=ProjectId("p1"), deleted_at=at(2)))
    assert outcome.event.occurred_at == at(2)


@pytest.mark.spec("E24")
def test_project_delete_is_refused_while_a_thread_lives() -> None:
    project = given(project_create("p1"), thread_create("t1"), thread_create("t2"), thread_delete("t1"))
    project.when(project_delete("p1")).then_rejected("p1")
    project.when(thread_delete("t2")).then_accepted()
    project.when(project_delete("p1")).then_accepted()


@pytest.mark.spec("E24")
def test_project_delete_does_not_count_the_threads_of_other_projects() -> None:
    given(project_create("p1"), project_create("p2"), thread_create("t1", project_id="p2")).when(
        project_delete("p1")
    ).then_accepted()


@pytest.mark.spec("E23")
@pytest.mark.parametrize("command", [project_meta_update("p1", title=Label("x")), project_delete("p1")])
def test_commands_need_their_project(command: Command) -> None:
    given().when(command).then_rejected("p1")
    given(project_create("p1"), project_delete("p1")).when(command).then_rejected("p1")
