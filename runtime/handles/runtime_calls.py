"""What handles ask of the runtime. A protocol, because the runtime makes the handles."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from ...actors.log.subscriptions import Subscription
from ...actors.projecting.snapshot_stream import SnapshotStream
from ...contracts.commands import Command
from ...contracts.ids import ThreadId, TurnId
from ...contracts.read_model import DispatchResult, Snapshot, SnapshotDetail, TurnDiff
from ...contracts.values import UNSET, Unset
from ...persistence.turn_places import TurnPlace


class RuntimeCalls(Protocol):
    async def dispatch(self, command: Command) -> DispatchResult: ...

    def subscribe(self, from_sequence_exclusive: int, thread_id: ThreadId | None = None) -> Subscription: ...

    async def get_snapshot(self, *, thread_id: ThreadId | Unset = UNSET, detail: SnapshotDetail) -> Snapshot: ...

    def stream_snapshot(self) -> AbstractAsyncContextManager[SnapshotStream]: ...

    async def get_turn_diff(self, thread_id: ThreadId, from_turn_count: int, to_turn_count: int) -> TurnDiff: ...

    async def find_turn(self, turn_id: TurnId) -> TurnPlace: ...
