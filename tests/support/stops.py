"""Stops: a host is cancelled at random moments, by every means, and its runtime has to end in time.

Hosts are also ended by signals to their own process, by an error of another task and by their own error. `python -m
tests.support.stops --times 500` (`make stops`) runs the long form and prints a table: for each means of cancellation,
event loop and provider, how often, the longest end in seconds, and what was left: locked (the database or its owner's
file), alive (processes, threads, tasks), swallowed (the host did not get its cancellation). It exits 1 if an end took
longer than the deadline and the grace period, or if anything was left. `tests/acceptance/test_any_stop.py` runs the
short form. The moments follow from the seed; what a runtime does at them does not.

One long module: the means of stopping, the host and the checks are read together.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import anyio
import attrs
import trio

from orchestrion.actors.detached_task import interruption_in
from orchestrion.actors.providers.adapter import Provider
from orchestrion.actors.providers.process.guardian import descendants, living_processes
from orchestrion.actors.providers.session_limits import SessionLimits
from orchestrion.contracts.errors import OrchestrionError
from orchestrion.contracts.values import EPOCH
from orchestrion.persistence.ownership import DatabaseLock
from orchestrion.runtime.cli.signals import handle_signals, run_until_signal
from orchestrion.runtime.host import open_runtime
from orchestrion.runtime.lifetime import GRACE_SECONDS
from orchestrion.runtime.options import RuntimeOptions
from orchestrion.testing.conformance import Cases, ProviderCase
from orchestrion.testing.conformance.rehearsal import rehearsal_case
from tests.support.builders import project_create, thread_create, turn_start
from tests.support.claude_case import claude_case
from tests.support.codex_case import codex_case
from tests.support.hanging_provider import ASYNCHRONOUS, Behaviour, HangingProvider

DEADLINE_SECONDS: Final = 1.5
SLACK_SECONDS: Final = 3.0
"""The delay that an otherwise idle machine may add."""

HANGS_SECONDS: Final = 60.0
"""A delay that no machine adds, however busy."""

LEFT_WITHIN_SECONDS: Final = 20.0
"""A killed process is gone within this many seconds, whichever process reaps it."""

MEANS: Final = {
    "asyncio": (
        "task.cancel",
        "cancel 5 times",
        "asyncio.timeout",
        "wait_for",
        "scope",
        "all tasks",
        "SIGINT",
        "SIGINT twice",
        "SIGTERM",
        "SIGTERM twice",
        "SIGHUP",
        "SIGTERM, SIGINT",
        "SIGINT thrice",
        "sibling fails",
        "host raises",
    ),
    "trio": ("scope", "fail_after", "SIGINT", "SIGINT twice", "SIGINT thrice", "sibling fails", "host raises"),
}
SIGNALS: Final[dict[str, tuple[signal.Signals, ...]]] = {
    "SIGTERM": (signal.SIGTERM,),
    "SIGTERM twice": (signal.SIGTERM, signal.SIGTERM),
    "SIGHUP": (signal.SIGHUP,),
    "SIGTERM, SIGINT": (signal.SIGTERM, signal.SIGINT),
    "SIGINT thrice": (signal.SIGINT, signal.SIGINT, signal.SIGINT),
}
"""The signals sent to a process whose host runs as the command line runs one, or, for "SIGINT thrice", in a task group
under the event loop's own handling of SIGINT. All but the first may come while the host stops.
"""

CASES: Final[dict[str, Cases]] = {"rehearsal": rehearsal_case, "codex": codex_case, "claude": claude_case}
SPANS: Final = {"rehearsal": 2.0, "hanging": 1.0, "codex": 4.0, "claude": 5.0}
"""Within how many seconds after the beginning of its opening a host is cancelled."""

_ROOT: Final = Path(__file__).resolve().parents[2]


@attrs.frozen
class Stop:
    """One host that is cancelled."""

    backend: str
    means: str
    provider: str
    seed: int


@attrs.define
class Outcome:
    """`seconds` from the moment the host left, or was cancelled, to its end."""

    stop: Stop
    seconds: float = 0.0
    locked: str = ""
    alive: str = ""
    swallowed: str = ""


class HostFailed(Exception):
    """An error of the host's own code."""


@attrs.define
class _Host:
    """A host with its moments, on the machine's clock."""

    directory: Path
    provider: Provider
    prompts: Sequence[str]
    dice: random.Random
    left_at: float = 0.0
    cancelled_at: float = 0.0
    ended_at: float = 0.0
    tasks: str = ""
    raises: bool = False
    """Whether its own code fails at some moment while the runtime serves."""

    async def run(self) -> None:
        try:
            await self._serve()
        finally:
            self.ended_at = time.monotonic()

    async def _serve(self) -> None:
        options = RuntimeOptions(
            shutdown_deadline=DEADLINE_SECONDS, sessions=SessionLimits(call_deadline=20, interrupt_deadline=2)
        )
        workspace = self.directory / "workspace"
        workspace.mkdir()
        async with open_runtime(self.directory / "state.db", providers=[self.provider], options=options) as runtime:
            try:
                await runtime.dispatch(project_create("p1", workspace_root=str(workspace)))
                await runtime.dispatch(thread_create("t1"))
                for number, prompt in enumerate(self.prompts):
                    await runtime.dispatch(turn_start("t1", f"m{number}", text=prompt))
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._follow, runtime)
                    for _ in range(self.dice.randrange(1, 6)):
                        await anyio.sleep(self.dice.uniform(0, 0.3))
                        await self.dice.choice((runtime.get_snapshot, runtime.rebuild))()
                    if self.raises:
                        raise HostFailed
                    tasks.cancel_scope.cancel()
            finally:
                self.left_at = time.monotonic()

    @staticmethod
    async def _follow(runtime: Any) -> None:
        async with runtime.subscribe(0) as events:
            async for _ in events:
                pass


def perform(stop: Stop) -> Outcome:
    """Run one host, cancel it, and look at what is left."""
    outcome = Outcome(stop)
    with tempfile.TemporaryDirectory(prefix="stops-", ignore_cleanup_errors=True) as made:
        directory = Path(made)
        if stop.means in SIGNALS:
            _signal_process(outcome, directory)
        else:
            _cancel_host(outcome, directory)
    return outcome


def _cancel_host(outcome: Outcome, directory: Path) -> None:
    stop, dice = outcome.stop, random.Random(outcome.stop.seed)
    with _provided(stop, directory, dice) as (provider, prompts):
        host = _Host(directory, provider, prompts, dice, raises=stop.means == "host raises")
        delay = dice.uniform(0, SPANS[stop.provider])
        ended = _cancelled(stop, host, delay)
        began = min((moment for moment in (host.left_at, host.cancelled_at) if moment), default=host.ended_at)
        outcome.seconds = max(0.0, host.ended_at - began)
        if host.cancelled_at and host.cancelled_at < host.ended_at and not ended:
            outcome.swallowed = f"seed {stop.seed}"
        outcome.locked = _locked(directory / "state.db")
        outcome.alive = _alive(directory, host.tasks)


def _signal_process(outcome: Outcome, directory: Path) -> None:
    """Run a host in its own process, as the command line does, and send that process its signals."""
    stop, dice = outcome.stop, random.Random(outcome.stop.seed)
    numbers = SIGNALS[stop.means]
    command = [sys.executable, "-m", "tests.support.stops", "--host", str(directory)]
    with subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(attrs.asdict(stop)) + "\n")
        process.stdin.flush()
        process.stdout.readline()
        _wait_for(process, dice.uniform(0, SPANS[stop.provider]))
        began = time.monotonic()
        for number in numbers:
            process.send_signal(number)
            _wait_for(process, dice.uniform(0, 0.5))
        _wait_for(process, DEADLINE_SECONDS + GRACE_SECONDS + HANGS_SECONDS)
        seconds = time.monotonic() - began
        process.kill()
        ended_at = process.stdout.readline()
    was_running = not ended_at or float(ended_at) > began
    outcome.seconds = seconds if was_running else 0.0
    at_exit = [-number for number in numbers[1:]]  # it came after the end: a shell sees the same status
    if was_running and process.returncode not in [*(128 + number for number in numbers), *at_exit]:
        outcome.swallowed = f"seed {stop.seed}: status {process.returncode}"
    outcome.locked = _locked(directory / "state.db", may_have_crashed=len(numbers) > 1)
    outcome.alive = _alive(directory)


def _run_in_group(host: _Host, backend: str) -> None:
    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.sleep_forever)
            await host.run()
            tasks.cancel_scope.cancel()

    try:
        anyio.run(main, backend=backend)
    except BaseException as error:
        if interruption_in(error) is None:
            raise
        raise SystemExit(128 + signal.SIGINT) from None


def _wait_for(process: subprocess.Popen[str], seconds: float) -> None:
    with suppress(subprocess.TimeoutExpired):
        process.wait(seconds)


def _serve_until_signal(directory: Path) -> None:
    """The process of one host: it reports when it opens its runtime, and when that has ended."""
    logging.disable(logging.CRITICAL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    handle_signals()
    stop = Stop(**json.loads(sys.stdin.readline()))
    dice = random.Random(stop.seed)
    with _provided(stop, directory, dice) as (provider, prompts):
        host = _Host(directory, provider, prompts, dice)
        print("opens", flush=True)
        try:
            if stop.means == "SIGINT thrice":
                _run_in_group(host, stop.backend)
            else:
                run_until_signal(host.run)
        finally:
            print(host.ended_at, flush=True)


@contextmanager
def _provided(stop: Stop, directory: Path, dice: random.Random) -> Iterator[tuple[Provider, list[str]]]:
    if stop.provider == "hanging":
        methods = dice.sample(ASYNCHRONOUS, dice.randrange(1, 4))
        does: dict[str, Behaviour] = dict.fromkeys(methods, "hangs")
        yield HangingProvider(**does), ["hello", "again"]
        return
    agent = directory / "agent"
    agent.mkdir()
    with CASES[stop.provider](agent, directory / "workspace") as case:
        yield case.provider, _prompts(case, dice)


def _prompts(case: ProviderCase, dice: random.Random) -> list[str]:
    prompts = [case.say("well"), case.run_for_an_hour(), case.talk_forever(), case.write("a.txt", "text")]
    return dice.sample(prompts, 2)


def _cancelled(stop: Stop, host: _Host, delay: float) -> bool:
    """Run the host and cancel it after a delay; return whether it got its cancellation."""
    try:
        if stop.means.startswith("SIGINT"):
            with _interrupts(host, delay, 2 if "twice" in stop.means else 1):
                if stop.backend == "asyncio":
                    asyncio.run(host.run())
                else:
                    trio.run(host.run)
            return False
        if stop.means in ("sibling fails", "host raises"):
            anyio.run(_failing_host, stop, host, delay, backend=stop.backend)
            return False
        if stop.backend == "asyncio":
            return asyncio.run(_asyncio_host(stop, host, delay))
        return trio.run(_trio_host, stop, host, delay)
    except (KeyboardInterrupt, HostFailed):
        return True
    except BaseExceptionGroup as group:
        return group.subgroup((KeyboardInterrupt, HostFailed)) is not None


@contextmanager
def _interrupts(host: _Host, delay: float, times: int) -> Iterator[None]:
    """Send this process SIGINT while the host runs."""
    over = threading.Event()
    lock = threading.Lock()

    def send() -> None:
        for pause in (delay, *[host.dice.uniform(0, 0.5)] * (times - 1)):
            over.wait(pause)
            with lock:
                if over.is_set() or host.ended_at:
                    return
                host.cancelled_at = host.cancelled_at or time.monotonic()
                os.kill(os.getpid(), signal.SIGINT)

    sender = threading.Thread(target=send, name="interrupts")
    sender.start()
    try:
        yield
    finally:
        with suppress(KeyboardInterrupt):
            with lock:
                over.set()
            sender.join()


async def _failing_host(stop: Stop, host: _Host, delay: float) -> None:
    """Run the host next to a task that fails, or fail in the host itself."""

    async def fail() -> None:
        await anyio.sleep(delay)
        _note_cancelled(host)
        raise HostFailed

    async with anyio.create_task_group() as tasks:
        if stop.means == "sibling fails":
            tasks.start_soon(fail)
        await host.run()
        tasks.cancel_scope.cancel()


async def _asyncio_host(stop: Stop, host: _Host, delay: float) -> bool:
    before = asyncio.all_tasks()
    match stop.means:
        case "asyncio.timeout" | "wait_for" | "scope":
            got = await _within(stop.means, host, delay)
        case _:
            task = asyncio.create_task(host.run())
            await asyncio.wait([task], timeout=delay)
            for _ in range(5 if stop.means == "cancel 5 times" else 1):
                _cancel(stop.means, host, task, before)
                await asyncio.sleep(host.dice.uniform(0, 0.2))
            await asyncio.wait([task])
            got = task.cancelled()
            if not got and task.exception() is not None:
                raise AssertionError("the host failed") from task.exception()
    await asyncio.sleep(0)
    host.tasks = ", ".join(task.get_name() for task in asyncio.all_tasks() - before)
    return got


def _cancel(means: str, host: _Host, task: asyncio.Task[None], before: set[asyncio.Task[Any]]) -> None:
    if task.done():
        return
    host.cancelled_at = host.cancelled_at or time.monotonic()
    for one in asyncio.all_tasks() - before if means == "all tasks" else {task}:
        one.cancel()


async def _within(means: str, host: _Host, delay: float) -> bool:
    async def noted() -> None:
        asyncio.get_running_loop().call_later(delay, _note_cancelled, host)
        await host.run()

    try:
        if means == "wait_for":
            await asyncio.wait_for(noted(), delay)
        elif means == "asyncio.timeout":
            async with asyncio.timeout(delay):
                await noted()
        else:
            with anyio.move_on_after(delay) as scope:
                await noted()
            return scope.cancelled_caught or scope.cancel_called
    except TimeoutError:
        return True
    return False


def _note_cancelled(host: _Host) -> None:
    if not host.ended_at:
        host.cancelled_at = host.cancelled_at or time.monotonic()


async def _trio_host(stop: Stop, host: _Host, delay: float) -> bool:
    async def noted() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(note)
            await host.run()
            nursery.cancel_scope.cancel()

    async def note() -> None:
        await trio.sleep(delay)
        _note_cancelled(host)

    try:
        if stop.means == "fail_after":
            with trio.fail_after(delay):
                await noted()
        else:
            with trio.move_on_after(delay) as scope:
                await noted()
            return scope.cancelled_caught or scope.cancel_called
    except trio.TooSlowError:
        return True
    return False


def _locked(database: Path, *, may_have_crashed: bool = False) -> str:
    """Why the database is not free; a process that was ended at once may leave its owner's file, but no lock."""
    lock = DatabaseLock(database, since=EPOCH)
    try:
        lock.acquire()
    except OrchestrionError as error:
        return str(error)
    lock.release()
    return "owner" if Path(f"{database}.owner").exists() and not may_have_crashed else ""


def _alive(directory: Path, tasks: str = "") -> str:
    deadline = time.monotonic() + LEFT_WITHIN_SECONDS
    while (left := _processes(directory)) and time.monotonic() < deadline:
        time.sleep(0.02)
    threads = [thread.name for thread in threading.enumerate() if thread.name.startswith("orchestrion")]
    for pid in left:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    parts = {"processes": left, "threads": threads, "tasks": tasks}
    return ", ".join(f"{name} {what}" for name, what in parts.items() if what)


def _processes(directory: Path) -> list[int]:
    """The descendants of this process, and the processes whose working directory is the host's."""
    table = living_processes() or []
    found = set(descendants(os.getpid(), table))
    for pid, _, _ in table:
        with suppress(OSError):
            if Path(os.readlink(f"/proc/{pid}/cwd")).is_relative_to(directory):
                found.add(pid)
    return sorted(found)


def drawn(times: int, seed: int, providers: Sequence[str]) -> list[Stop]:
    """This many stops, spread evenly over means, event loops and providers."""
    dice = random.Random(seed)
    kinds = [
        (backend, means, provider) for backend, several in MEANS.items() for means in several for provider in providers
    ]
    dice.shuffle(kinds)
    return [Stop(*kinds[number % len(kinds)], seed=dice.getrandbits(32)) for number in range(times)]


def _work() -> None:
    """Perform the stops on standard input, one at a time; each outcome is a line of JSON."""
    logging.disable(logging.CRITICAL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for line in sys.stdin:
        outcome = perform(Stop(**json.loads(line)))
        print(json.dumps(attrs.asdict(outcome)), flush=True)


def run(stops: Sequence[Stop], *, processes: int) -> Iterator[Outcome]:
    """Perform stops in their own processes, several at a time."""
    shares = [stops[number::processes] for number in range(processes)]
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.support.stops", "--work"],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in shares
    ]
    feeders = [
        threading.Thread(target=_feed, args=(worker, share)) for worker, share in zip(workers, shares, strict=True)
    ]
    for feeder in feeders:
        feeder.start()
    for worker, feeder in zip(workers, feeders, strict=True):
        assert worker.stdout is not None
        for line in worker.stdout:
            found = json.loads(line)
            yield Outcome(**{**found, "stop": Stop(**found["stop"])})
        worker.stdout.close()
        feeder.join()
        if worker.wait() != 0:
            raise SystemExit(f"a process that performs stops ended with {worker.returncode}")


def _feed(worker: subprocess.Popen[str], share: Sequence[Stop]) -> None:
    assert worker.stdin is not None
    with worker.stdin as lines:
        for stop in share:
            lines.write(json.dumps(attrs.asdict(stop)) + "\n")


def faults(outcomes: Sequence[Outcome], *, slack_seconds: float = SLACK_SECONDS) -> list[str]:
    """What is wrong with the outcomes, in words."""
    found = []
    for one in outcomes:
        if one.seconds > DEADLINE_SECONDS + GRACE_SECONDS + slack_seconds:
            found.append(f"{one.stop}: ended after {one.seconds:.1f} s")
        found += [f"{one.stop}: {text}" for text in (one.locked, one.alive, one.swallowed) if text]
    return found


def table(outcomes: Sequence[Outcome]) -> str:
    left_names = ("locked", "alive", "swallowed")
    header = f"{'cancelled by':16}{'on':9}{'provider':11}{'times':>6}{'worst end':>11}"
    rows = [header + "".join(f"{name:>11}" for name in left_names)]
    kinds = sorted({(one.stop.means, one.stop.backend, one.stop.provider) for one in outcomes})
    for kind in kinds:
        of = [one for one in outcomes if (one.stop.means, one.stop.backend, one.stop.provider) == kind]
        means, backend, provider = kind
        left = "".join(f"{sum(bool(getattr(one, name)) for one in of):11}" for name in left_names)
        rows.append(f"{means:16}{backend:9}{provider:11}{len(of):6}{max(one.seconds for one in of):9.2f} s{left}")
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--times", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--providers", default="rehearsal,hanging")
    parser.add_argument("--work", action="store_true")
    parser.add_argument("--host", type=Path)
    chosen = parser.parse_args()
    if chosen.host:
        _serve_until_signal(chosen.host)
        return
    if chosen.work:
        _work()
        return
    outcomes = list(run(drawn(chosen.times, chosen.seed, chosen.providers.split(",")), processes=chosen.processes))
    print(table(outcomes))
    wrong = faults(outcomes)
    print("\n".join(wrong) or f"seed {chosen.seed}: {len(outcomes)} stops, nothing left")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
