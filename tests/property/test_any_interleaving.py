"""Any interleaving of clients, readers, rebuilds, faults, crashes and restarts keeps G1 to G6.

A test case is a program: a list of steps of concurrent operations, drawn as a whole and run inside one event loop
(`tests/support/interleaving`). It is not a `RuleBasedStateMachine`, because each of its rules would start a new loop
and nothing would run concurrently. A list of steps shrinks as well, and prints as code.

Rows, snapshots and readers are compared with models that share no code with the projections: the projection oracle, and
a client that applies events to its snapshot. Answers and events are checked by deciding every command again, one by
one, in the order of the log.

- A failure prints its smallest program. `python -m tests.support.interleaving 'Program(…)'` runs it again on both
  backends, several times, since threads may take turns differently. Add it below as an `@example` once it is mended.
- The choices are fixed, except in `make properties`, which prints its seed; `SEED=N make properties` repeats it.
- `make properties` is the long form: these take a share of `EXAMPLES` (`tests/support/examples.py`).
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.examples import DATABASES, PROCESSES, examples
from tests.support.interleaving.journal import Journal
from tests.support.interleaving.program import Crash, Program
from tests.support.interleaving.programs import deadly_programs, programs
from tests.support.interleaving.victim import read_program, run_victim
from tests.support.interleaving.world import World

SIGKILLED = -9

backends = st.sampled_from(["asyncio", "trio"])


async def _run(directory: Path, patch: pytest.MonkeyPatch, program: Program, journal: Journal | None) -> None:
    await World(directory, patch, program, journal=journal).run()


def run(directory: Path, program: Program, backend: str, *, journal: Journal | None = None) -> None:
    with pytest.MonkeyPatch.context() as patch:
        anyio.run(_run, directory, patch, program, journal, backend=backend)


@pytest.mark.spec("E2", "E3", "E35", "E37", "E38", "E39", "E41", "P31", "P32", "R9", "R17")
@pytest.mark.usefixtures("blockbuster")
@settings(
    max_examples=examples(50, share=DATABASES),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(program=programs(), backend=backends)
def test_any_interleaving_keeps_every_promise(program: Program, backend: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        run(Path(directory), program, backend)


@settings(max_examples=examples(20), suppress_health_check=[HealthCheck.too_slow])
@given(program=programs())
def test_a_program_is_read_back_as_it_is_printed(program: Program) -> None:
    assert read_program(repr(program)) == program


@pytest.mark.spec("E35", "E41", "P31")
@settings(max_examples=examples(4, share=PROCESSES), suppress_health_check=[HealthCheck.too_slow])
@given(program=deadly_programs(), backend=backends)
def test_a_process_killed_in_any_interleaving_keeps_what_it_acknowledged(program: Program, backend: str) -> None:
    """The same with SIGKILL as the first crash; the rest of the program runs on the files that it left."""
    last = next(number for number, step in enumerate(program.steps) if isinstance(step, Crash))
    with tempfile.TemporaryDirectory() as directory:
        journal, code = run_victim(Path(directory), program, backend)
        assert code == SIGKILLED
        rest = Program(seed=program.seed, steps=program.steps[last + 1 :])
        run(Path(directory), rest, backend, journal=journal)
