"""Programs as Hypothesis draws them: common and rare operations, and crashes at points that the load reaches."""

from __future__ import annotations

from typing import Any, Final, get_args

from hypothesis import strategies as st

from orchestrion.persistence.crash_points import CrashPoint
from orchestrion.persistence.projections import PROJECTIONS
from tests.support.interleaving.program import (
    READERS,
    Abandon,
    AlienEvent,
    CommitEnd,
    Crash,
    Defect,
    Dispatch,
    FailCommit,
    FailStatement,
    Follow,
    Form,
    Hiccup,
    Listen,
    Operation,
    Program,
    ReadLog,
    Rebuild,
    Reconnect,
    Repair,
    SendAgain,
    SendInvalid,
    Step,
    Stop,
    TakeSnapshot,
    Together,
)
from tests.support.random_commands import KINDS

IN_COMMITS: Final[tuple[CrashPoint, ...]] = (
    "command.decided",
    "append.events-written",
    "append.receipts-written",
    "append.committed",
    "dispatch.committed",
    "dispatch.published",
    "projector.rows-written",
    "projector.position-written",
    "projector.committed",
)
IN_REBUILDS: Final[tuple[CrashPoint, ...]] = ("rebuild.replayed", "rebuild.one-swapped", "rebuild.committed")
IN_STARTS: Final[tuple[CrashPoint, ...]] = (
    "replay.rows-written",
    "replay.page-applied",
    "recovery.agents-ended",
    "recovery.settled",
    "recovery.published",
)
"""The points that a program reaches; it has no agents, workspaces or migrations."""


def _weighted(*choices: tuple[int, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    """One of these, by weight. (`one_of` counts a strategy that is named twice once.)"""
    weighed = [choice for weight, choice in choices for _ in range(weight)]
    return st.integers(0, len(weighed) - 1).flatmap(weighed.__getitem__)


def _maybe(values: st.SearchStrategy[Any], *, one_in: int = 4) -> st.SearchStrategy[Any]:
    return _weighted((one_in - 1, st.none()), (1, values))


def _sized(values: st.SearchStrategy[Any], most: int) -> st.SearchStrategy[tuple[Any, ...]]:
    """Hypothesis keeps lists short unless their size is drawn first, and short programs interleave little."""
    return st.integers(1, most).flatmap(lambda size: st.lists(values, min_size=size, max_size=size)).map(tuple)


_kinds = st.sampled_from([*KINDS, *(["ask_for_turn", "work", "work"] * 3)])
_picks = st.integers(0, 40)
_projectors = st.integers(0, len(PROJECTIONS) - 1)
_readers = st.integers(0, READERS - 1)

_dispatches = st.builds(
    Dispatch,
    kind=_kinds,
    pick=_picks,
    at_once=st.booleans(),
    twice=_maybe(st.just(True)).map(bool),
    shift=_maybe(st.sampled_from([0, 0, 1, -1]), one_in=8),
    wait_for=_maybe(_projectors),
)
_operations: Final[st.SearchStrategy[Operation]] = _weighted(
    (10, _dispatches),
    (2, st.builds(Abandon, kind=_kinds, pick=_picks, after=st.integers(0, 12))),
    (3, st.builds(SendAgain, pick=_picks, changed=_maybe(st.just(True)).map(bool))),
    (1, st.builds(SendInvalid, pick=_picks)),
    (2, st.builds(TakeSnapshot, form=st.sampled_from(get_args(Form)), pick=_picks)),
    (2, st.builds(TakeSnapshot, cancelled_after=_maybe(st.integers(0, 30), one_in=2))),
    (2, st.builds(Follow, reader=_readers, events=st.integers(1, 12))),
    (2, st.builds(Listen, reader=_readers, turns=st.integers(1, 300))),
    (1, st.builds(Reconnect, reader=_readers, afresh=st.booleans())),
    (1, st.builds(ReadLog, pick=_picks, of_thread=st.booleans())),
    (
        1,
        st.builds(
            Rebuild,
            projectors=st.lists(_projectors, max_size=3, unique=True).map(tuple),
            cancelled_after=_maybe(st.integers(0, 3)),
        ),
    ),
    (2, st.builds(Defect, projector=_projectors, ahead=st.integers(1, 3))),
    (1, st.builds(Hiccup, projector=_projectors, times=st.integers(1, 3))),
    (2, st.builds(FailStatement, where=st.sampled_from(["events", "receipts"]), times=st.integers(1, 3))),
    (2, st.builds(FailCommit, end=st.sampled_from(get_args(CommitEnd)), nth=st.integers(1, 4))),
    (1, st.builds(Repair)),
)
_loads: Final = st.builds(lambda load, rest: (*load, *rest), st.tuples(*([_dispatches] * 3)), _sized(_operations, 6))
_crashes: Final[st.SearchStrategy[Step]] = _weighted(
    (2, st.builds(Crash, operations=_loads, provider=st.booleans())),
    (
        4,
        st.builds(
            Crash,
            point=st.sampled_from(IN_COMMITS),
            times=st.integers(1, 4),
            operations=_loads,
            provider=st.booleans(),
        ),
    ),
    (
        1,
        st.builds(
            Crash,
            point=st.sampled_from(IN_REBUILDS),
            times=st.integers(1, 2),
            operations=_loads.map(lambda load: (Rebuild(), *load)),
            provider=st.booleans(),
        ),
    ),
    (
        2,
        st.builds(
            Crash,
            point=st.sampled_from(IN_STARTS),
            times=st.integers(1, 2),
            operations=_loads,
            provider=st.just(True),
        ),
    ),
)
_steps: Final[st.SearchStrategy[Step]] = _weighted(
    (5, st.builds(Together, operations=_sized(_operations, 8))),
    (
        2,
        st.builds(
            Stop,
            operations=_sized(_operations, 6) | st.just(()),
            after=st.integers(0, 40),
            alien=_maybe(st.sampled_from(get_args(AlienEvent)), one_in=2),
            provider=st.booleans(),
        ),
    ),
    (3, _crashes),
)


def programs() -> st.SearchStrategy[Program]:
    """Any program; the smallest does nothing."""
    return st.builds(
        Program,
        seed=st.integers(0, 1000),
        commands=st.integers(0, 40),
        steps=_sized(_steps, 8),
    )


def deadly_programs() -> st.SearchStrategy[Program]:
    """Programs with a crash, and other steps before and after it."""
    return st.builds(
        Program,
        seed=st.integers(0, 1000),
        commands=st.integers(0, 40),
        steps=st.builds(
            lambda before, crash, after: (*before, crash, *after),
            st.lists(_steps, max_size=2).map(tuple),
            _crashes,
            st.lists(_steps, max_size=3).map(tuple),
        ),
    )
