"""Threads of the library's own. The host's threads cannot starve it, and it never starves them.

anyio's default limiter is shared by a whole process: a host whose 40 threads wait for the runtime (FastAPI's
synchronous endpoints do) would keep the runtime from a thread, for ever. So nothing here uses that limiter:

- `in_thread` and `start_in_thread` run a short blocking function on one of the threads that each event loop has for
  this, under a limiter of the library's own;
- `JobThread` is a thread that belongs to one owner, and runs its jobs in order.

Every thread is a daemon: the interpreter waits for none of them when it ends. anyio's are not, and only the end of the
loop's first task stops them. A second Ctrl-C under `asyncio.run` aborts the loop, a third one its clean-up; that task
never ends then, and the process would wait for such a thread for ever.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import Any, Final, Generic, TypeVar, TypeVarTuple

import anyio
import attrs
from anyio.lowlevel import RunVar, current_token

from ..contracts.errors import RuntimeStopped

THREADS: Final = 40
"""How many calls of `in_thread` run at once on one event loop; a further one waits."""

_IDLE_SECONDS: Final = 1.0
"""How long a thread of `in_thread` waits for its next call before it ends."""

_JOIN_SECONDS: Final = 1.0
"""How long the end of a thread that has run its last job is waited for."""

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
Post = Callable[[Callable[[], object]], object]

_threads: RunVar[_CallThreads] = RunVar("orchestrion.threads")


async def in_thread(function: Callable[[*Ts], T], *arguments: *Ts, abandon: bool = False) -> T:
    """Run a blocking function on a daemon thread, in the caller's context, and return its answer or raise its error.

    A caller that is cancelled waits for the function's end, unless it may `abandon` it: then the function goes on, and
    its answer is lost. A native cancellation of asyncio abandons it always, as does the end of the process.
    """
    try:
        threads = _threads.get()
    except LookupError:
        threads = _CallThreads()
        _threads.set(threads)
    async with threads.limiter:
        slot = _Slot(partial(copy_context().run, function, *arguments), _poster())
        threads.hand_in(slot)
        with anyio.CancelScope(shield=not abandon):
            await slot.done.wait()
        return slot.result()


async def start_in_thread(start: Callable[[], T], *, undo: Callable[[T], object]) -> T:
    """Run `start` on a thread and return what it made. Where the caller is gone by then, `undo` gets it, on the thread.

    So whatever was started always has an owner, also after a native cancellation of asyncio.
    """
    lock = threading.Lock()
    is_abandoned = False
    made: list[T] = []

    def run() -> None:
        value = start()
        with lock:
            made.append(value)
            is_mine = is_abandoned
        if is_mine:
            undo(value)

    try:
        await in_thread(run)
    except BaseException:
        with lock:
            is_abandoned = True
            left = list(made)
        for value in left:
            undo(value)
        raise
    return made[0]


@attrs.define(eq=False)
class _Slot(Generic[T]):
    job: Callable[[], T]
    post: Post
    is_last: bool = False
    done: anyio.Event = attrs.field(factory=anyio.Event)
    answer: T | None = None
    error: BaseException | None = None

    def run(self) -> None:
        try:
            self.answer = self.job()
        except BaseException as error:  # the caller, not this thread, decides what an error means
            self.error = error

    def result(self) -> T:
        """The job's answer; raises what it raised. Only when it is done."""
        if self.error is not None:
            raise self.error
        return self.answer  # type: ignore[return-value]  # a slot without an error holds the job's answer


class _CallThreads:
    """The threads of `in_thread` on one event loop: started when none is idle, used again, ended when idle for long."""

    def __init__(self) -> None:
        self.limiter = anyio.CapacityLimiter(THREADS)
        self._lock = threading.Lock()
        self._idle: list[queue.SimpleQueue[_Slot[Any]]] = []

    def hand_in(self, slot: _Slot[Any]) -> None:
        with self._lock:
            if self._idle:
                self._idle.pop().put(slot)
                return
        threading.Thread(target=self._serve, args=(slot,), name="blocking calls of orchestrion", daemon=True).start()

    def _serve(self, slot: _Slot[Any] | None) -> None:
        calls: queue.SimpleQueue[_Slot[Any]] = queue.SimpleQueue()
        while slot is not None:
            slot.run()
            with self._lock:
                self._idle.append(calls)  # before the caller goes on, whose next call may come here
            with suppress(RuntimeError):  # the loop is gone, and its waiters with it
                slot.post(slot.done.set)
            slot = None  # keeps no answer alive
            slot = self._next(calls)

    def _next(self, calls: queue.SimpleQueue[_Slot[Any]]) -> _Slot[Any] | None:
        with suppress(queue.Empty):
            return calls.get(timeout=_IDLE_SECONDS)
        with self._lock:
            if not calls.empty():
                return calls.get_nowait()
            if calls in self._idle:
                self._idle.remove(calls)
            return None


class JobThread:
    """A thread that runs jobs in the order in which they were handed in, each to its end. It serves one event loop."""

    def __init__(self, name: str) -> None:
        self._slots: queue.SimpleQueue[_Slot[Any]] = queue.SimpleQueue()
        self._depth = 0
        self._post: Post | None = None
        self._last: _Slot[Any] | None = None
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        try:
            self._thread.start()
        except BaseException:  # a Ctrl-C: the thread may run
            self._slots.put(_Slot(_nothing, lambda call: None, is_last=True))
            raise

    @property
    def depth(self) -> int:
        """Jobs handed in and not answered yet."""
        return self._depth

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    async def run(self, job: Callable[[], T]) -> T:
        """Run `job` after those handed in before, and return its answer.

        A caller that is cancelled abandons the answer: the job runs all the same, before any that is handed in later.

        Raises:
            RuntimeStopped: the thread takes no more jobs, or the job was discarded before it began.
        """
        slot = self._hand_in(job)
        await slot.done.wait()
        return slot.result()

    def put(self, job: Callable[[], object]) -> None:
        """Hand in a job without waiting for its result.

        Raises:
            RuntimeStopped: the thread takes no more jobs.
        """
        self._hand_in(job)

    def end(self, last: Callable[[], object]) -> None:
        """Take no more jobs; run those handed in, then `last`, and end the thread. Without effect the second time."""
        if self._last is None:
            self._last = self._hand_in(last, is_last=True)

    def discard(self) -> None:
        """Answer the jobs that have not begun with `RuntimeStopped`; the last one stays."""
        last: _Slot[Any] | None = None
        while True:
            try:
                slot = self._slots.get_nowait()
            except queue.Empty:
                break
            if slot.is_last:
                last = slot
            else:
                slot.error = RuntimeStopped("the runtime has stopped: what was asked for was not begun")
                self._answer(slot)
        if last is not None:
            self._slots.put(last)

    async def ended(self) -> None:
        """Wait until the thread has run its last job and is gone; `end` comes first. Raises what that job raised."""
        assert self._last is not None, "a thread ends when it is asked to"
        await self._last.done.wait()
        self._thread.join(_JOIN_SECONDS)
        if self._last.error is not None:
            raise self._last.error

    def _hand_in(self, job: Callable[[], T], *, is_last: bool = False) -> _Slot[T]:
        if self._last is not None:
            raise RuntimeStopped("the runtime has stopped: this thread takes no more jobs")
        if self._post is None:
            self._post = _poster()
        slot = _Slot(job, self._post, is_last)
        self._depth += 1
        self._slots.put(slot)
        return slot

    def _serve(self) -> None:
        is_last = False
        while not is_last:
            slot = self._slots.get()
            is_last = slot.is_last
            slot.run()
            try:
                slot.post(lambda slot=slot: self._answer(slot))  # type: ignore[misc]  # binds this turn's slot
            except RuntimeError:  # the loop is gone, and its waiters with it
                self._depth -= 1

    def _answer(self, slot: _Slot[Any]) -> None:
        self._depth -= 1
        slot.done.set()


def _nothing() -> None:
    pass


def _poster() -> Post:
    """The running loop's own way to take a call from another thread."""
    token = current_token().native_token
    post = getattr(token, "call_soon_threadsafe", None) or token.run_sync_soon  # type: ignore[attr-defined]  # trio's
    return post  # type: ignore[no-any-return]  # asyncio's and trio's take a function
