"""Which turn of a Codex thread is the first to be forgotten, as Codex lists its turns: the latest first, by pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import attrs
import pytest

from orchestrion.actors.providers.codex.history import FoundTurn, find_first_turn
from orchestrion.actors.providers.jsonrpc.peer import JsonRpcPeer
from orchestrion.contracts.ids import ProviderThreadId, TurnId

pytestmark = pytest.mark.anyio

FORGOTTEN = [TurnId("two"), TurnId("three"), TurnId("never handed over")]


@attrs.define
class Codex:
    """Answers as an app-server with these turns does: `(Codex's id, the client's ids)`, the earliest first."""

    turns: Sequence[tuple[str, Sequence[str | None]]]
    mode: str = "paginated"
    asked: list[str] = attrs.field(factory=list)

    async def request(self, method: str, params: dict[str, Any], *, deadline_seconds: float) -> dict[str, Any]:
        self.asked.append(method)
        if method == "thread/read":
            return {"thread": {"id": params["threadId"], "historyMode": self.mode}}
        assert (method, params["sortDirection"]) == ("thread/turns/list", "desc")
        start = int(params.get("cursor", "0"))
        end = start + params["limit"]
        page = list(reversed(self.turns))[start:end]
        return {"data": [_listed(*turn) for turn in page], "nextCursor": str(end) if end < len(self.turns) else None}


def _listed(turn: str, clients: Sequence[str | None]) -> dict[str, Any]:
    asked = [{"type": "userMessage", "clientId": client} for client in clients]
    return {"id": turn, "items": [*asked, {"type": "agentMessage", "text": "done"}]}


async def first_in(codex: Codex) -> FoundTurn:
    return await find_first_turn(cast("JsonRpcPeer", codex), ProviderThreadId("thread"), FORGOTTEN, deadline_seconds=1)


async def test_the_earliest_of_the_turns_is_found() -> None:
    codex = Codex([("c1", ["one"]), ("c2", ["two"]), ("c3", ["three"])])
    assert await first_in(codex) == FoundTurn(first="c2", is_certain=True)


async def test_turns_of_others_between_ours_change_nothing() -> None:
    codex = Codex([("c1", ["one"]), ("cx", [None]), ("c2", ["two"]), ("cy", []), ("c3", ["three"]), ("cz", [None])])
    assert await first_in(codex) == FoundTurn(first="c2", is_certain=True)


@pytest.mark.parametrize("turns", [[], [("c1", ["one"])], [("c1", ["one"]), ("cx", [None])]])
async def test_a_thread_without_them_has_none(turns: list[tuple[str, list[str | None]]]) -> None:
    assert await first_in(Codex(turns)) == FoundTurn(first=None, is_certain=True)


async def test_pages_are_read_only_as_far_as_a_kept_turn() -> None:
    many = [(f"k{number}", [f"kept {number}"]) for number in range(500)]
    codex = Codex([*many, ("c2", ["two"]), *((f"x{number}", [None]) for number in range(120)), ("c3", ["three"])])
    assert await first_in(codex) == FoundTurn(first="c2", is_certain=True)
    assert codex.asked == ["thread/read", *["thread/turns/list"] * 3]


@pytest.mark.parametrize("turns", [[("c1", ["one"]), ("c2", ["two"])], [("c2", ["two"])]])
async def test_a_thread_whose_history_cannot_be_replaced_is_uncertain(turns: list[tuple[str, list[str]]]) -> None:
    assert not (await first_in(Codex(turns, mode="legacy"))).is_certain


async def test_a_codex_that_does_not_name_turns_is_uncertain() -> None:
    assert await first_in(Codex([("c1", [None]), ("c2", [None])])) == FoundTurn(first=None, is_certain=False)


async def test_unnamed_turns_before_the_first_named_one_are_uncertain() -> None:
    codex = Codex([("c1", [None]), ("c2", [None]), ("c3", ["three"])])
    assert await first_in(codex) == FoundTurn(first="c3", is_certain=False)
