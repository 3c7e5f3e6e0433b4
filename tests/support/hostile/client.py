"""A client that knows every id in use, guesses others, and commands only its own threads."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import attrs
from hypothesis import strategies as st

from orchestrion.contracts.codec import to_json
from orchestrion.contracts.event_codec import event_json
from orchestrion.runtime.runtime import Runtime

OWN_PROJECT: Final = "mine"
OWN_THREAD: Final = "my-thread"

_AT: Final = "2026-01-01T00:00:00.000Z"
_NAMED: Final = re.compile(r"(?i)(?:id|ids|ref)$")
_LAST_NUMBER: Final = re.compile(r"\d+(?!.*\d)")


def _next(number: int) -> Callable[[str], str]:
    return lambda name: _LAST_NUMBER.sub(lambda found: str(int(found[0]) + number), name, count=1)


def _below(prefix: str) -> Callable[[str], str]:
    return lambda name: f"{prefix}/{name}"


DERIVED: Final = ("checkpoint/diff", "checkpoint/captured", "checkpoint/shared", "settle", "revert", "recovery")

TWISTS: Final[Mapping[str, Callable[[str], str]]] = {
    "as it is": lambda name: name,
    **{f"{number} further": _next(number) for number in range(1, 8)},
    "marked": lambda name: f"~{name}",
    "marked twice": lambda name: f"~~{name}",
    "unmarked": lambda name: name.removeprefix("~"),
    "first command": lambda name: f"~{name}/1",
    "first command, old": lambda name: f"{name}/1",
    "space before": lambda name: f" {name}",
    "space behind": lambda name: f"{name} ",
    "wide mark": lambda name: name.replace("~", "\uff5e"),
    "upper": str.upper,
    "prefix": lambda name: name.rpartition("/")[0] or name[:-1] or name,
    "message below": lambda name: f"~{name.removeprefix('~').partition('/')[0]}/message-2",
    "message below, old": lambda name: f"{name.removeprefix('~').partition('/')[0]}/message-2",
    "permission below": lambda name: f"~{name.removeprefix('~').partition('/')[0]}/permission-3",
    **{f"{what}, old": _below(what) for what in DERIVED},
    **{what: _below(f"~{what}") for what in DERIVED},
}
"""Variants of a known name."""


def _client(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, "threadId": OWN_THREAD, "createdAt": _AT, **fields}


def _message(message_id: str) -> dict[str, Any]:
    return {"messageId": message_id, "role": "user", "text": "say squat", "attachments": []}


MOVES: Final[Mapping[str, Callable[[str, str], dict[str, Any]]]] = {
    "refused command": lambda name, _: {**_client("thread.turn.interrupt"), "commandId": name},
    "accepted command": lambda name, _: {
        "type": "thread.meta.update",
        "threadId": OWN_THREAD,
        "title": "t",
        "commandId": name,
    },
    "turn": lambda name, fresh: _client("thread.turn.start", message=_message(fresh), commandId=name),
    "message": lambda name, fresh: _client("thread.turn.start", message=_message(name), commandId=fresh),
    "stop": lambda name, _: _client("thread.session.stop", commandId=name),
    "project": lambda name, fresh: {
        "type": "project.create",
        "projectId": name,
        "title": "t",
        "workspaceRoot": "/nowhere",
        "createdAt": _AT,
        "commandId": fresh,
    },
    "thread": lambda name, fresh: {
        **_client("thread.create", projectId=OWN_PROJECT, title="t", model="m", branch=None, worktreePath=None),
        "threadId": name,
        "commandId": fresh,
    },
    "script": lambda name, fresh: {
        "type": "project.meta.update",
        "projectId": OWN_PROJECT,
        "scripts": [{"id": name, "name": "n", "command": "c", "icon": "play", "runOnWorktreeCreate": False}],
        "commandId": fresh,
    },
    "interrupt": lambda name, fresh: _client("thread.turn.interrupt", turnId=name, commandId=fresh),
    "answer": lambda name, fresh: _client(
        "thread.approval.respond", requestId=name, decision="accept", optionId=name, commandId=fresh
    ),
    "revert": lambda name, _: _client("thread.checkpoint.revert", turnCount=0, revertOthers=True, commandId=name),
    "internal": lambda name, fresh: {
        "type": "thread.message.assistant.complete",
        "threadId": OWN_THREAD,
        "messageId": name,
        "createdAt": _AT,
        "commandId": fresh,
    },
}
"""Commands on its own thread or project that contain a name."""


@attrs.frozen
class Move:
    """One command. `pick` chooses among the known names, the newest first."""

    kind: str
    pick: int
    twist: str


moves = st.lists(
    st.builds(Move, st.sampled_from(list(MOVES)), st.integers(0, 40), st.sampled_from(list(TWISTS))),
    max_size=12,
)


class HostileClient:
    """Performs moves by RPC, as a client on a transport would."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._sent = 0

    async def perform(self, moves: Sequence[Move]) -> None:
        seen = await self._names() if moves else []
        for move in moves:
            self._sent += 1
            name = TWISTS[move.twist](seen[move.pick % len(seen)])
            command = MOVES[move.kind](name, f"hostile-{self._runtime.health().head}-{self._sent}")
            await self._runtime.handle("orchestration.dispatchCommand", command)

    async def _names(self) -> list[str]:
        """Every id in events and snapshot, the newest first; of numbered ones, the last of each kind first."""
        names: dict[str, None] = {}
        async for event in self._runtime.replay_events(0):
            _collect(event_json(event), names)
        _collect(to_json(await self._runtime.get_snapshot()), names)
        return list(reversed(names))


def _collect(data: Any, names: dict[str, None], *, named: bool = False) -> None:
    match data:
        case str() if named and data:
            names.pop(data, None)
            names[data] = None
        case dict():
            for key, value in data.items():
                _collect(value, names, named=bool(_NAMED.search(key)))
        case list() | tuple():
            for item in data:
                _collect(item, names, named=named)
        case _:
            pass
