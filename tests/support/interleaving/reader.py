"""A client that holds a snapshot and every event after it, read at its own pace and across restarts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio

from orchestrion.actors.log.subscriptions import Subscription
from orchestrion.contracts.codec import to_json
from orchestrion.contracts.errors import ProjectionStalled
from orchestrion.contracts.event_codec import event_json
from orchestrion.contracts.events import LoggedEvent, PersistedEvent
from orchestrion.runtime.runtime import Runtime
from tests.support.client_model import ClientModel

NOTHING: dict[str, Any] = {
    "snapshotSequence": 0,
    "projects": [],
    "threads": [],
    "updatedAt": "1970-01-01T00:00:00.000Z",
}


class Reader:
    """One client. What it receives after its host `is_dead` does not count."""

    def __init__(self, *, is_dead: Callable[[], bool]) -> None:
        self._model = ClientModel(NOTHING)
        self._position = 0
        self._events: Subscription | None = None
        self._runtime: Runtime | None = None
        self._is_dead = is_dead
        self._turn = anyio.Lock()

    @property
    def position(self) -> int:
        return self._position

    def shows(self) -> dict[str, Any]:
        return self._model.snapshot()

    async def connect(self, runtime: Runtime) -> None:
        """Subscribe from its position, perhaps at another host."""
        async with self._turn:
            await self._subscribe(runtime)

    async def restart_from_snapshot(self) -> None:
        """Replace its state by a new snapshot and continue from there. Without a snapshot, it stays as it is."""
        async with self._turn:
            assert self._runtime is not None
            try:
                snapshot = to_json(await self._runtime.get_snapshot())
            except ProjectionStalled:
                return
            if not self._is_dead():
                self._model, self._position = ClientModel(snapshot), snapshot["snapshotSequence"]
                await self._subscribe(self._runtime)

    async def follow(self, events: int) -> None:
        """Take this many of the published events."""
        async with self._turn:
            assert self._runtime is not None
            assert self._events is not None
            last = min(self._runtime.health().head, self._position + events)
            while self._position < last:
                event = await anext(self._events)
                if self._is_dead():
                    return
                self._take(event)

    async def listen(self, turns: int) -> None:
        """Take events until this many iterations of the loop have passed."""
        async with self._turn, anyio.create_task_group() as tasks:
            tasks.start_soon(self._hear)
            for _ in range(turns):
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()

    async def _hear(self) -> None:
        assert self._events is not None
        async for event in self._events:
            if self._is_dead():
                return
            self._take(event)

    async def disconnect(self) -> None:
        if self._events is not None:
            await self._events.__aexit__(None, None, None)
            self._events = None

    async def _subscribe(self, runtime: Runtime) -> None:
        await self.disconnect()
        self._runtime = runtime
        self._events = runtime.subscribe(self._position)

    def _take(self, event: LoggedEvent) -> None:
        assert event.sequence == self._position + 1, f"{event.sequence} came after {self._position}"
        self._position = event.sequence
        if isinstance(event, PersistedEvent):
            self._model.apply(event_json(event))
        else:
            self._model.count_unreadable(event_json(event))
