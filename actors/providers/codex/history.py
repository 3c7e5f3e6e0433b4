"""Going back in a Codex thread: the first turn to be forgotten, and the request that forgets it.

Each turn is handed over with its turn id as the client's id of its user message, and Codex returns that id when it
lists its turns. So turns are found in Codex's own list, even if some never reached Codex or were not started from here.
Codex replaces the history only of threads whose mode is `paginated`; it does not change files.
Source: `codex app-server generate-json-schema`, `thread/turns/list` and `thread/revert`
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import attrs

from ....contracts.ids import ProviderThreadId, TurnId
from ....contracts.values import JsonObject
from ..jsonrpc.peer import JsonRpcPeer
from ..loose_json import list_of, object_of, text_of

__all__ = ["FoundTurn", "find_first_turn", "revert_before"]

_PAGE_TURNS: Final = 50
_REVERTIBLE: Final = "paginated"


@attrs.frozen(kw_only=True)
class FoundTurn:
    """`first` is Codex's id of the earliest turn to be forgotten, None where the thread has none of them.

    `is_certain` is False where Codex cannot go back in this thread, or lists earlier turns without a client's id:
    those may be among the turns to be forgotten.
    """

    first: str | None
    is_certain: bool


async def find_first_turn(
    peer: JsonRpcPeer, thread_id: ProviderThreadId, turns: Collection[TurnId], *, deadline_seconds: float
) -> FoundTurn:
    """Look for these turns from the thread's end back to the latest turn that is kept.

    Raises:
        ProviderProtocolError: the agent refused a request.
        ReplyOverdue: it did not answer within the deadline.
        SessionLost: it is gone.
    """
    read = object_of(await peer.request("thread/read", {"threadId": thread_id}, deadline_seconds=deadline_seconds))
    first: str | None = None
    is_named = True
    cursor: JsonObject = {}
    while True:
        params = {"threadId": thread_id, "limit": _PAGE_TURNS, "sortDirection": "desc", "itemsView": "summary"}
        page = object_of(
            await peer.request("thread/turns/list", {**params, **cursor}, deadline_seconds=deadline_seconds)
        )
        for turn in map(object_of, list_of(page.get("data"))):
            names = _client_ids(turn)
            if names.intersection(turns):
                first, is_named = text_of(turn.get("id")), True
            elif names:
                return FoundTurn(first=first, is_certain=_is_revertible(read))
            else:
                is_named = False
        if page.get("nextCursor") is None:
            return FoundTurn(first=first, is_certain=_is_revertible(read) and is_named)
        cursor = {"cursor": page["nextCursor"]}


async def revert_before(peer: JsonRpcPeer, thread_id: ProviderThreadId, turn: str, *, deadline_seconds: float) -> None:
    """Forget a turn, by Codex's own id of it, and all that came after it. Raises as `find_first_turn` does."""
    await peer.request(
        "thread/revert", {"threadId": thread_id, "beforeTurnId": turn}, deadline_seconds=deadline_seconds
    )


def _client_ids(turn: JsonObject) -> set[str]:
    items = map(object_of, list_of(turn.get("items")))
    return {text_of(item.get("clientId")) for item in items if item.get("type") == "userMessage"} - {""}


def _is_revertible(read: JsonObject) -> bool:
    return object_of(read.get("thread")).get("historyMode") == _REVERTIBLE
