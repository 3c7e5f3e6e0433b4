from __future__ import annotations

import pytest

from orchestrion.contracts.events import EVENT_PAYLOADS
from orchestrion.persistence.models import ALL_MODELS, ProjectionState
from orchestrion.persistence.projections import PROJECTIONS
from tests.support.projection_scenarios import projection_database


@pytest.mark.spec("P35")
def test_there_is_one_projection_to_each_table_under_its_stable_name() -> None:
    assert {projection.name: projection.model._meta.table_name for projection in PROJECTIONS} == {
        "projection.projects": "projection_projects",
        "projection.threads": "projection_threads",
        "projection.thread-messages": "projection_thread_messages",
        "projection.thread-activities": "projection_thread_activities",
        "projection.thread-sessions": "projection_thread_sessions",
        "projection.thread-turns": "projection_thread_turns",
        "projection.checkpoints": "projection_checkpoints",
        "projection.pending-approvals": "projection_pending_approvals",
    }
    models = {model for model in ALL_MODELS if model._meta.table_name.startswith("projection_")}
    assert {projection.model for projection in PROJECTIONS} == models - {ProjectionState}


@pytest.mark.spec("P35")
def test_a_fresh_database_has_a_position_for_each() -> None:
    with projection_database() as database:
        positions = database.execute_sql("SELECT projector FROM projection_state").fetchall()
    assert {name for (name,) in positions} == {projection.name for projection in PROJECTIONS}


def test_projections_handle_event_types_that_exist() -> None:
    types = {payload.event_type for payload in EVENT_PAYLOADS}
    assert all(projection.handles and projection.handles <= types for projection in PROJECTIONS)


def test_an_empty_batch_changes_nothing() -> None:
    with projection_database() as database:
        before = database.connection().total_changes
        for projection in PROJECTIONS:
            projection.apply(database, [])
        assert database.connection().total_changes == before
