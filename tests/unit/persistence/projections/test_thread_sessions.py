from __future__ import annotations

import pytest

from orchestrion.persistence.models import ProjectionThreadSession
from tests.support.payloads import THREAD, at, session_set
from tests.support.projection_scenarios import Occurrence, given


@pytest.mark.spec("P16")
def test_session_set_inserts_every_field() -> None:
    given(
        session_set(
            "error",
            turn="turn-1",
            time=1,
            provider_session_id="life-1",
            provider_thread_id="agent-thread",
            last_error="It broke.",
        )
    ).expect_rows(
        ProjectionThreadSession,
        {
            "thread_id": THREAD,
            "status": "error",
            "provider_name": "agent",
            "provider_session_id": "life-1",
            "provider_thread_id": "agent-thread",
            "active_turn_id": "turn-1",
            "last_error": "It broke.",
            "updated_at": at(1),
        },
    )


@pytest.mark.spec("P16")
def test_session_set_updates_every_field_null_included() -> None:
    given(
        session_set("error", turn="turn-1", provider_session_id="life-1", provider_thread_id="x", last_error="Broke."),
        session_set("idle", time=2, provider_name=None),
    ).expect_rows(
        ProjectionThreadSession,
        {
            "thread_id": THREAD,
            "status": "idle",
            "provider_name": None,
            "provider_session_id": None,
            "provider_thread_id": None,
            "active_turn_id": None,
            "last_error": None,
            "updated_at": at(2),
        },
    )


@pytest.mark.spec("P16", "P33")
def test_each_thread_has_one_row_in_order_of_arrival() -> None:
    given(
        session_set("starting", thread="z"),
        session_set("starting", thread="a"),
        session_set("ready", thread="z"),
    ).expect_rows(
        ProjectionThreadSession, {"thread_id": "z", "status": "ready"}, {"thread_id": "a", "status": "starting"}
    )


@pytest.mark.spec("P30")
def test_row_is_that_of_the_stream_not_of_the_payload() -> None:
    given(session_set("ready", thread="a"), Occurrence(session_set("error", thread="a"), stream="b")).expect_rows(
        ProjectionThreadSession, {"thread_id": "a", "status": "ready"}, {"thread_id": "b", "status": "error"}
    )
