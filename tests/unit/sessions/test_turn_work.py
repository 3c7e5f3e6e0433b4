"""The steps of a turn, where its commit is rejected."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from orchestrion.actors.sessions.turn_work import TurnWork
from orchestrion.contracts.ids import ThreadId, TurnId
from orchestrion.contracts.values import EPOCH, Instant
from orchestrion.domain.session.inputs import AgentLost, ClaimVoid

pytestmark = pytest.mark.anyio


@pytest.mark.lesson("L124")
@pytest.mark.parametrize("deleted_at", [None, EPOCH], ids=["replaced session", "deleted thread"])
async def test_rejected_claim_fails_its_turn_unless_the_thread_is_deleted(deleted_at: Instant | None) -> None:
    async def void(*_: object, **__: object) -> str:
        return "void"

    async def context() -> Any:
        return SimpleNamespace(thread=SimpleNamespace(deleted_at=deleted_at))

    agent = SimpleNamespace(living=SimpleNamespace(claim=void))
    turns = TurnWork(ThreadId("t1"), cast("Any", None), cast("Any", agent), context)
    turns._prepared = cast("Any", SimpleNamespace(own_turns=0))
    reply = await turns.claim(cast("Any", None), TurnId("turn"))
    assert isinstance(reply, AgentLost if deleted_at is None else ClaimVoid)
