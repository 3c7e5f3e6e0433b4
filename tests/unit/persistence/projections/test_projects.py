from __future__ import annotations

import pytest

from orchestrion.persistence.models import ProjectionProject
from tests.support.builders import script
from tests.support.payloads import at, project_created, project_deleted, project_meta_updated
from tests.support.projection_scenarios import given

SCRIPT_JSON = '{"id":"script-unit","name":"unit","command":"make unit","icon":"test","runOnWorktreeCreate":false}'


@pytest.mark.spec("P1")
def test_created_inserts_the_row() -> None:
    given(
        project_created("p", time=1, title="Roll", default_model="model-a", scripts=(script("unit"),), updated_at=at(2))
    ).expect_rows(
        ProjectionProject,
        {
            "project_id": "p",
            "title": "Roll",
            "workspace_root": "/workspace",
            "default_model": "model-a",
            "scripts_json": f"[{SCRIPT_JSON}]",
            "created_at": at(1),
            "updated_at": at(2),
            "deleted_at": None,
        },
    )


@pytest.mark.spec("P2")
def test_meta_updated_changes_the_fields_present() -> None:
    given(
        project_created("p", time=1, default_model="model-a"),
        project_meta_updated("p", time=2, title="New"),
        project_meta_updated("p", time=3, scripts=(script("unit"),)),
    ).expect_rows(
        ProjectionProject,
        {
            "title": "New",
            "workspace_root": "/workspace",
            "default_model": "model-a",
            "scripts_json": f"[{SCRIPT_JSON}]",
            "created_at": at(1),
            "updated_at": at(3),
        },
    )


@pytest.mark.spec("P2")
def test_meta_updated_clears_null_and_empty_fields() -> None:
    given(
        project_created("p", default_model="model-a", scripts=(script("unit"),)),
        project_meta_updated("p", time=2, default_model=None, scripts=(), workspace_root="/elsewhere"),
    ).expect_rows(ProjectionProject, {"default_model": None, "scripts_json": "[]", "workspace_root": "/elsewhere"})


@pytest.mark.spec("P3")
def test_deleted_keeps_the_row() -> None:
    given(project_created("p", time=1), project_deleted("p", time=5)).expect_rows(
        ProjectionProject, {"project_id": "p", "created_at": at(1), "updated_at": at(5), "deleted_at": at(5)}
    )


@pytest.mark.spec("P1")
def test_a_second_creation_of_an_id_is_ignored() -> None:
    given(project_created("p", title="First"), project_created("p", title="Second")).expect_rows(
        ProjectionProject, {"title": "First"}
    )


@pytest.mark.spec("P33")
def test_updates_keep_the_order_of_arrival() -> None:
    given(
        project_created("z"), project_created("a"), project_meta_updated("z", title="Updated"), project_created("m")
    ).expect_rows(ProjectionProject, {"project_id": "z"}, {"project_id": "a"}, {"project_id": "m"})


def test_project_events_before_its_creation_change_nothing() -> None:
    given(project_meta_updated("p", title="Early"), project_deleted("p"), project_created("p")).expect_rows(
        ProjectionProject, {"title": "Title", "deleted_at": None}
    )
