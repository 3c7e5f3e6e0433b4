"""`python -m benchmarks`: the default measures, or those named; prints JSON lines and a table at the end."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator

import anyio

from .capturing import capturing
from .figures import Figure, print_figure, print_table
from .growth import growing
from .hostile import beside_hostile_agents
from .isolation import isolating
from .pressure import under_pressure
from .sizes import of_filled_databases
from .streaming import streaming
from .writing import dispatching, reaching_readers

MEASURES = ("dispatch", "readers", "growth", "sizes", "streaming", "pressure", "isolation")
NAMED_ALONE = ("captures", "hostile")
"""Measures that take long and run only if named."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--only", action="append", choices=(*MEASURES, *NAMED_ALONE), help="this measure; may be given several times"
    )
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each measure (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=0.7, help="about how long a round of dispatching takes")
    parser.add_argument("--backend", choices=("asyncio", "trio"), default="asyncio")
    parser.add_argument(
        "--long", action="store_true", help="also 1,000,000 events, 200,000 deltas, 10,000 threads, bursts of 100,000"
    )
    anyio.run(_measure, parser.parse_args(), backend=parser.parse_args().backend)


async def _measure(arguments: argparse.Namespace) -> None:
    figures: list[Figure] = []
    async for figure in _figures(arguments):
        print_figure(figure)
        figures.append(figure)
    print_table(figures)


async def _figures(arguments: argparse.Namespace) -> AsyncIterator[Figure]:
    measures, rounds, long = arguments.only or MEASURES, arguments.rounds, arguments.long
    if "dispatch" in measures:
        for figure in await dispatching(rounds=rounds, seconds=arguments.seconds):
            yield figure
    if "readers" in measures:
        for figure in await reaching_readers(commands=500):
            yield figure
    if "growth" in measures:
        for figure in await growing(
            rounds=rounds, deltas=200_000 if long else 40_000, threads=10_000 if long else 2_000
        ):
            yield figure
    if "sizes" in measures:
        sizes = (1_000, 100_000, 1_000_000) if long else (1_000, 100_000)
        for figure in await of_filled_databases(sizes=sizes, rounds=rounds):
            yield figure
    if "streaming" in measures:
        yield await streaming()
    if "isolation" in measures:
        yield await isolating(rounds=rounds)
    if "captures" in measures:
        async for figure in capturing(files=50_000, rounds=rounds):
            yield figure
    if "hostile" in measures:
        for figure in await beside_hostile_agents():
            yield figure
    if "pressure" in measures:
        for figure in await under_pressure(rounds=3, commands=100_000 if long else 20_000):
            yield figure


if __name__ == "__main__":
    main()
