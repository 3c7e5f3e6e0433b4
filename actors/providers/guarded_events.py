"""The events of a provider's connection, with the guarantees that its session relies on.

The stream always ends: when the provider ends it, when the provider violates the contract (an object that is not an
event, an error of its stream), when the session cuts it, and some seconds after the connection was closed. The last
event is always `SessionExited`. If the stream ended because of a fault, an event before it reports that.
"""

from __future__ import annotations

import math
import types
from collections import deque
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, Literal, NewType, Union, get_args, get_origin, get_type_hints

import anyio
import attrs
from anyio.abc import ObjectReceiveStream

from ...contracts.provider_events import ProviderRuntimeEvent, RuntimeErrorReported, SessionExited
from ..detached_task import DetachedTask
from ..served_time import ServedScope, served_scope
from .event_queue import EventQueue
from .provider_calls import describe_error

DRAIN_SECONDS: Final = 2.0
"""How long a closed connection may be silent before its stream is considered ended."""

_CAPACITY: Final = 64

MAX_ID_CHARACTERS: Final = 200


class GuardedEvents(ObjectReceiveStream[ProviderRuntimeEvent]):
    """One reader. Inserted events are delivered before those that the provider still holds."""

    def __init__(self, provider: str, events: ObjectReceiveStream[ProviderRuntimeEvent]) -> None:
        self._provider = provider
        self._inserted: deque[ProviderRuntimeEvent] = deque()
        self._waiting: ServedScope | None = None
        self._is_closing = False
        self._is_cut = False
        self._has_exited = False
        self._patience = math.inf
        self._because: str | None = None
        self._pump: DetachedTask[None] | None = None
        if isinstance(events, EventQueue):
            self._events: ObjectReceiveStream[ProviderRuntimeEvent] = events
        else:  # foreign code: it may ignore its cancellation, and report any object
            self._queue = EventQueue(_CAPACITY)
            self._events = self._queue
            self._pump = DetachedTask(lambda: self._copy(events), name=f"events of provider {provider}")

    def insert(self, event: ProviderRuntimeEvent) -> None:
        """Deliver an event next."""
        self._inserted.append(event)
        if self._waiting is not None:
            self._waiting.cancel()

    def cut(self, because: str | None = None) -> None:
        """Deliver no more events of the provider: its session ends, because of a fault where one is given."""
        if self._is_cut:
            return
        self._is_cut = True
        if because is not None:
            self._inserted.append(RuntimeErrorReported(message=because, fatal=True, reason="protocol"))
        if self._pump is not None:
            self._pump.cancel()
        if self._waiting is not None:
            self._waiting.cancel()

    def note_closing(self) -> None:
        """Note that the connection is being closed: its end was requested."""
        self._is_closing = True

    def note_closed(self) -> None:
        """Note that the connection was closed: the remaining events come soon."""
        self._drain()

    def note_over(self, because: str | None) -> None:
        """Note that the connection is gone. The remaining events are delivered; if its exit is missing, `because` is
        reported."""
        self._because = self._because or because
        self._drain()

    def _drain(self) -> None:
        self._patience = DRAIN_SECONDS
        if self._waiting is not None:
            self._waiting.allow(DRAIN_SECONDS)

    async def receive(self) -> ProviderRuntimeEvent:
        """The next event.

        Raises:
            EndOfStream: `SessionExited` was delivered.
        """
        if self._has_exited:
            raise anyio.EndOfStream
        event = await self._next()
        if event is None:
            event = SessionExited(asked=self._is_closing)
        self._has_exited = isinstance(event, SessionExited)
        return event

    async def aclose(self) -> None:
        self.cut()
        await anyio.lowlevel.checkpoint()

    async def _next(self) -> ProviderRuntimeEvent | None:
        if self._inserted:
            return self._inserted.popleft()
        if self._is_cut:
            return None
        try:
            with served_scope(self._patience) as self._waiting:
                return await self._events.receive()
        except (anyio.EndOfStream, anyio.ClosedResourceError, anyio.BrokenResourceError):
            self._is_cut = True
        finally:
            self._waiting = None
        if self._inserted:
            return self._inserted.popleft()
        self._is_cut = True
        return self._fatal(self._because)

    @staticmethod
    def _fatal(because: str | None) -> RuntimeErrorReported | None:
        return None if because is None else RuntimeErrorReported(message=because, fatal=True, reason="agent_crashed")

    async def _copy(self, events: ObjectReceiveStream[ProviderRuntimeEvent]) -> None:
        """Read foreign events to their end, as long as they are events."""
        fault: str | None = None
        try:
            while not isinstance(event := await events.receive(), SessionExited):
                fault = fault_of(event)
                if fault is not None:
                    break
                await self._queue.put(event)
            else:
                self._queue.end(event)
                return
        except (anyio.EndOfStream, anyio.ClosedResourceError, anyio.BrokenResourceError):
            pass
        except Exception as error:
            fault = f"its events failed: {describe_error(error)}"
        if fault is not None:
            message = f"provider {self._provider} violated the contract: {fault}"
            self._queue.put_nowait(RuntimeErrorReported(message=message, fatal=True, reason="protocol"))
        self._queue.end(SessionExited(asked=self._is_closing))


def fault_of(event: object) -> str | None:
    """Why this is not an event that a session can ingest; None for a proper event."""
    if not isinstance(event, ProviderRuntimeEvent):
        return f"it reported {type(event).__name__}, which is not an event"
    kind: Any = type(event)
    for name, hint in _hints(kind).items():
        if not _fits(getattr(event, name), hint):
            return f"{kind.__name__}.{name} has the wrong type: {_describe(getattr(event, name))}"
    return None


def _describe(value: object) -> str:
    return f"{type(value).__name__} of {len(value)}" if isinstance(value, str | bytes) else type(value).__name__


@lru_cache(maxsize=64)
def _hints(kind: type) -> Mapping[str, Any]:
    return get_type_hints(kind)


def _fits(value: object, hint: Any) -> bool:
    """Whether a value is of a type, as deep as a session relies on it."""
    origin = get_origin(hint)
    if isinstance(hint, NewType):
        is_id = hint.__supertype__ is str
        return _fits(value, hint.__supertype__) and (not is_id or 0 < len(str(value)) <= MAX_ID_CHARACTERS)
    if origin is Literal:
        return value in get_args(hint)
    if origin in (Union, types.UnionType):
        return any(_fits(value, one) for one in get_args(hint))
    if origin is tuple:
        return isinstance(value, tuple) and all(_fits(one, get_args(hint)[0]) for one in value)
    if origin is not None:
        return isinstance(value, origin)
    if attrs.has(hint):
        return isinstance(value, hint)
    return hint is Any or isinstance(value, hint)
