"""Torture: a host is killed repeatedly, at named points and at random instants, and checked each time.

`python -m tests.support.torture --kills 300` runs the long form, asyncio and trio in parallel, and prints a table:
kills, events, lost, doubled, stuck and broken for each point. It exits 1 if anything is wrong. `tests/crash` runs the
short form. The choices of a run follow from its seed; the moment at which the kernel ends a process does not.

`tests/support/interleaving` is the other crash engine: it runs one process without agents, repeats and shrinks its
programs. This one kills real processes with agents at any instant, which does not repeat; so both exist.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, get_args

import attrs

from orchestrion.persistence.crash_points import CRASH_POINTS, CrashPoint
from tests.support.torture_checks import COLUMNS, Column, Fault
from tests.support.torture_victim import Backend, Kill, Victim

KILLS_PER_DATABASE: Final = 10
NAMED_SHARE: Final = 0.66
"""The share of kills at named points; the others are at random instants."""

MOST_TIMES: Final[dict[str, int]] = {
    "migration.one-applied": 5,
    "rebuild.one-swapped": 8,
    "replay.rows-written": 3,
    "replay.page-applied": 4,
    "command.decided": 150,
    "append.events-written": 150,
    "append.receipts-written": 150,
    "append.committed": 150,
    "dispatch.committed": 150,
    "dispatch.published": 150,
    "projector.rows-written": 100,
    "projector.position-written": 100,
    "projector.committed": 100,
    "session.recorded": 4,
    "session.bound": 4,
    "session.connected": 4,
    "turn.baseline-captured": 8,
    "turn.claimed": 8,
    "turn.handed-over": 8,
    "turn.ended": 8,
    "interrupt.sent": 3,
    "steer.delivered": 2,
    "approval.answered": 4,
    "checkpoint.end-captured": 4,
    "checkpoint.diff-stored": 4,
    "checkpoint.reported": 6,
    "revert.safety-kept": 3,
    "revert.files-cleared": 3,
    "revert.files-restored": 3,
    "revert.agent-followed": 3,
    "revert.completed": 3,
}
"""The number of the visit at which a host dies is drawn up to this; 1 for points reached once per life."""


@attrs.define
class Tally:
    """The outcomes of the kills of one kind."""

    kills: int = 0
    missed: int = 0
    events: int = 0
    faults: Counter[Column] = attrs.field(factory=Counter)


class Run:
    """Kills of one backend, on one database after another."""

    def __init__(self, directory: Path, backend: Backend, kills: int, seed: int) -> None:
        self.backend: Backend = backend
        self.tallies: dict[str, Tally] = {}
        self.faults: list[str] = []
        self._directory = directory
        self._random = random.Random(f"{seed}/{backend}")
        self._plan = self._planned(kills)

    def run(self) -> None:
        number = 0
        while kills := list(islice(self._plan, KILLS_PER_DATABASE)):
            number += 1
            directory = self._directory / f"{self.backend}-{number}"
            directory.mkdir()
            self._torture(Victim(directory), kills, f"{self.backend} database {number}")

    def _torture(self, victim: Victim, kills: Sequence[Kill], where: str) -> None:
        for kill in kills:
            death = victim.die(kill)
            named = kill.point is not None and death.at_point
            tally = self.tallies.setdefault(str(kill.point) if named else "at a random instant", Tally())
            tally.kills += 1
            tally.missed += kill.point is not None and not named
            tally.events += death.events
            self._note(tally, death.faults, f"{where}, {kill}")
        self._note(tally, victim.settle(self.backend), f"{where}, settling")
        print(f"{where}: {len(kills)} kills", file=sys.stderr, flush=True)

    def _note(self, tally: Tally, faults: Sequence[Fault], where: str) -> None:
        for fault in faults:
            tally.faults[fault.column] += 1
            self.faults.append(f"{where}: {fault.column}: {fault.what}")

    def _planned(self, kills: int) -> Iterator[Kill]:
        """Every point equally often, the migrations' on new databases, random instants in between."""
        first = [point for point in CRASH_POINTS if point.startswith("migration.")]
        later = [point for point in CRASH_POINTS if point not in first and not point.startswith(("backup.", "blob."))]
        self._random.shuffle(later)
        for number in range(kills):
            if number % KILLS_PER_DATABASE == 0:
                yield self._at(first[number // KILLS_PER_DATABASE % len(first)])
            elif number % KILLS_PER_DATABASE == 1 or self._random.random() > NAMED_SHARE:
                yield self._at_random()
            else:
                yield self._at(later[0])
                later.append(later.pop(0))

    def _at(self, point: CrashPoint) -> Kill:
        times = self._random.randint(1, MOST_TIMES.get(point, 1))
        return Kill(backend=self.backend, point=point, times=times)

    def _at_random(self) -> Kill:
        if self._random.random() < 0.2:
            return Kill(backend=self.backend, after_seconds=self._random.uniform(0.05, 1.0))
        return Kill(backend=self.backend, after_lines=self._random.randint(1, 1500))


def table(runs: Sequence[Run]) -> str:
    """Points down, backends and findings across."""
    names = [*CRASH_POINTS, "at a random instant"]
    heads = ["killed", *(run.backend for run in runs), "events", *COLUMNS]
    rows = [_row(name, [run.tallies.get(name, Tally()) for run in runs]) for name in names]
    rows.append(["all", *(str(sum(int(row[column]) for row in rows)) for column in range(1, len(heads)))])
    widths = [max(len(row[column]) for row in [heads, *rows]) for column in range(len(heads))]
    return "\n".join(
        "  ".join(cell.ljust(width) if not column else cell.rjust(width) for column, (cell, width) in cells)
        for cells in (list(enumerate(zip(row, widths, strict=True))) for row in [heads, *rows])
    )


def _row(name: str, tallies: Sequence[Tally]) -> list[str]:
    kills = [str(tally.kills) for tally in tallies]
    found = [str(sum(tally.faults[column] for tally in tallies)) for column in COLUMNS]
    return [name, *kills, str(sum(tally.events for tally in tallies)), *found]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.support.torture", description=__doc__)
    parser.add_argument("--kills", type=int, default=300, help="how many in all (default: 300)")
    parser.add_argument("--seed", type=int, default=None, help="repeats a run's choices")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1_000_000)
    print(f"seed {seed}", file=sys.stderr, flush=True)
    started = time.monotonic()
    with TemporaryDirectory(prefix="orchestrion-torture-") as directory, ThreadPoolExecutor() as pool:
        runs = [
            Run(Path(directory), backend, options.kills // 2 + options.kills % 2, seed) for backend in get_args(Backend)
        ]
        for done in [pool.submit(run.run) for run in runs]:
            done.result()
    print(table(runs))
    missed = sum(tally.missed for run in runs for tally in run.tallies.values())
    print(f"seed {seed}, {time.monotonic() - started:.0f} seconds; {missed} armed points were not reached in time")
    faults = [fault for run in runs for fault in run.faults]
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
