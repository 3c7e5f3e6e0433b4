"""Run one program again: `python -m tests.support.interleaving 'Program(…)' --times 100`, on both backends.

The program is what a failing test printed. Its steps are the same each time, but threads may take turns differently, so
a failure may need several runs to appear again. The first failure is printed and ends the run with 1.
"""

from __future__ import annotations

import argparse
import logging
import sys
import traceback
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import pytest

from tests.support.interleaving.program import Program
from tests.support.interleaving.victim import read_program
from tests.support.interleaving.world import World


async def _run(directory: Path, patch: pytest.MonkeyPatch, program: Program) -> None:
    await World(directory, patch, program).run()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.support.interleaving", description=__doc__)
    parser.add_argument("program")
    parser.add_argument("--times", type=int, default=20, help="how often on each backend (default: 20)")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    program = read_program(options.program)
    for number in range(1, options.times + 1):
        for backend in ("asyncio", "trio"):
            with TemporaryDirectory(prefix="orchestrion-") as directory, pytest.MonkeyPatch.context() as patch:
                try:
                    anyio.run(_run, Path(directory), patch, program, backend=backend)
                except Exception:
                    traceback.print_exc()
                    print(f"run {number} on {backend} failed")
                    return 1
    print(f"{options.times} runs on each backend, none failed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
