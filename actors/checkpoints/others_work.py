"""Whose work a revert would undo beside the thread's own.

What a turn changed is the difference from its baseline to its end. So what changed since the state to go back to, and
between a turn's end and the next turn's baseline, or since the last turn's end, is not the thread's. Where an end or a
baseline was not captured, a change that cannot be attributed counts as the thread's own. Files that a turn of another
thread changed since are that thread's too, also if both turns ran at once. They count as edited outside any turn as
well if the turns' captures do not explain their content (`outside_edits.py`).
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path

from ...contracts.errors import NotFound, OrchestrionError
from ...contracts.ids import CheckpointRef, ThreadId, TurnId
from ...contracts.revert_preview import OthersWork, RevertPreview
from ...persistence.revert_rows import OthersTurn, RevertFacts
from .git import Capture, GitWorkspace, RefKind, RefNames, RestoreForecast
from .outside_edits import find_edited_outside, kept_trees

_NAMED = 3


class RevertUndoesOthers(OrchestrionError):
    """The revert would undo what is not the thread's own work. Nothing was touched; `preview` names it."""

    def __init__(self, preview: RevertPreview) -> None:
        paths = preview.others_paths
        named = ", ".join(repr(path) for path in paths[:_NAMED])
        more = "" if len(paths) <= _NAMED else f" and {len(paths) - _NAMED} more"
        whose = [f"thread {one.thread_id!r}" for one in preview.others[:_NAMED]]
        whose += ["edits outside any turn"] if preview.outside else []
        super().__init__(
            f"it would undo changes that are not of its turns, to {named}{more} ({', '.join(whose)}):"
            " keep them elsewhere, or send the command with revertOthers"
        )
        self.preview = preview


async def preview_revert(facts: RevertFacts, *, names: RefNames, database: Path) -> RevertPreview:
    """What the revert would do now. Nothing of the workspace is changed.

    Raises:
        NotFound: the state to go back to was not captured, or the workspace is not there.
        RestoreRefused: files would be lost, with any command.
        CaptureFailed: the workspace cannot be captured.
        GitUnavailable: there is no git program.
    """
    workspace = await GitWorkspace.open(facts.workspace, database=database, makes_shadow=False)
    target = None if workspace is None else await find_target(workspace, names, facts)
    if workspace is None or target is None:
        fault = f"has no capture of {state_of(facts.turn_count)} in {facts.workspace}"
        raise NotFound("thread", facts.thread_id, fault)
    touched = partial(touched_since, workspace, facts, target, database=database)
    forecast = await workspace.forecast(target, touched=touched)
    return await others_work(workspace, facts, target, forecast, database=database)


async def find_target(workspace: GitWorkspace, names: RefNames, facts: RevertFacts) -> Capture | None:
    """The capture of the state to go back to; None where the thread has no such turn, or it was not captured."""
    turn_id = facts.turns.get(max(facts.turn_count, 1))
    if turn_id is None:
        return None
    return await workspace.find(*target_of(names, facts.thread_id, facts.turn_count, turn_id))


def target_of(names: RefNames, thread_id: ThreadId, count: int, turn_id: TurnId) -> tuple[CheckpointRef, str]:
    """Under which ref and message the state to go back to is kept. `turn_id` is the first turn's where `count` is 0."""
    if count == 0:
        return names.baseline(thread_id, 1), f"before turn {turn_id}"
    return names.turn(thread_id, count), f"after turn {turn_id}"


def state_of(turn_count: int) -> str:
    """The state to go back to, in words."""
    return "the start of turn 1" if turn_count == 0 else f"the end of turn {turn_count}"


async def others_work(
    workspace: GitWorkspace,
    facts: RevertFacts,
    target: Capture,
    forecast: RestoreForecast,
    *,
    database: Path,
    not_own: Collection[bytes] = (),
) -> RevertPreview:
    """Tell the thread's own work in what a restore would change from everybody else's.

    `not_own` are paths that are known to be others', beside what captures show.

    Raises:
        CaptureFailed: captures cannot be compared.
    """
    touched = {_shown(path): path for path in (*forecast.written, *forecast.removed)}
    changed = await _changed_by_others(workspace, facts, target, forecast.present)
    foreign = {_shown(path) for path in changed.union(not_own)}
    turns: dict[ThreadId, dict[int, set[str]]] = {}
    deleted = {turn.thread_id for turn in facts.others if turn.is_deleted}
    for turn, seen in await _others_paths(workspace, facts, database):
        paths = touched.keys() & seen
        if paths:
            turns.setdefault(turn.thread_id, {})[turn.turn_count] = paths
    others = tuple(
        OthersWork(
            thread_id=thread_id,
            turn_counts=tuple(sorted(by_count)),
            paths=tuple(sorted(set[str]().union(*by_count.values()))),
            is_live=thread_id not in deleted,
        )
        for thread_id, by_count in turns.items()
    )
    theirs = {path for one in others for path in one.paths}
    in_doubt = [touched[path] for path in theirs & foreign]
    edited = await find_edited_outside(workspace, facts, target, forecast.present, in_doubt)
    outside = (touched.keys() & foreign) - theirs | {_shown(path) for path in edited}
    return RevertPreview(
        thread_id=facts.thread_id,
        turn_count=facts.turn_count,
        workspace=str(facts.workspace),
        written=tuple(sorted(_shown(path) for path in forecast.written)),
        removed=tuple(sorted(_shown(path) for path in forecast.removed)),
        left_alone=forecast.left_alone,
        others=others,
        outside=tuple(sorted(outside)),
    )


async def touched_since(
    workspace: GitWorkspace, facts: RevertFacts, target: Capture, *, database: Path
) -> frozenset[bytes]:
    """The paths that turns of the thread, by their captures, and of others, by their rows, changed since the target.

    Raises:
        CaptureFailed: captures cannot be compared.
    """
    kept = await _kept_trees(workspace, facts)
    later = [tree for (count, _), tree in kept.items() if count > facts.turn_count]
    of_others = frozenset(
        os.fsencode(path) for _, seen in await _others_paths(workspace, facts, database) for path in seen
    )
    return of_others | await workspace.paths_differing_from(target.tree, later)


async def _changed_by_others(workspace: GitWorkspace, facts: RevertFacts, target: Capture, present: str) -> set[bytes]:
    """The paths that changed since the target outside the thread's turns, as far as captures show."""
    kept = await _kept_trees(workspace, facts)
    changed: set[bytes] = set()
    last: str | None = target.tree
    for count in sorted(count for count in facts.turns if count > facts.turn_count):
        start = kept.get((count, "baseline"))
        if last is not None and start is not None:
            changed.update((await workspace.differences(last, start)).paths)
        last = kept.get((count, "turn"))
    if last is not None:
        changed.update((await workspace.differences(last, present)).paths)
    return changed


async def _kept_trees(workspace: GitWorkspace, facts: RevertFacts) -> dict[tuple[int, RefKind], str]:
    """The trees of the starts and the ends of the thread's turns that were captured in this workspace."""
    kept = await kept_trees(workspace, facts.thread_id)
    named: list[tuple[tuple[int, RefKind], str]] = []
    for count, turn_id in facts.turns.items():
        named.append(((count, "baseline"), f"before turn {turn_id}"))
        named.append(((count, "turn"), f"after turn {turn_id}"))
    return {(count, kind): kept[kind, text] for (count, kind), text in named if (kind, text) in kept}


async def _others_paths(
    workspace: GitWorkspace, facts: RevertFacts, database: Path
) -> list[tuple[OthersTurn, list[str]]]:
    """The turns of other threads, each with the paths that it changed as they are from the workspace's top."""
    tops: dict[Path, Path | None] = {}
    found = []
    for turn in facts.others:
        if turn.workspace not in tops:
            other = await GitWorkspace.open(turn.workspace, database=database, makes_shadow=False)
            tops[turn.workspace] = None if other is None else other.top
        top = tops[turn.workspace]
        if top is not None:
            found.append((turn, _relative_paths(workspace.top, top, turn.paths)))
    return found


def _relative_paths(top: Path, other_top: Path, paths: Sequence[str]) -> list[str]:
    """Paths from one work tree's top as they are from another's."""
    if top == other_top:
        return list(paths)
    between = os.path.relpath(other_top, top)
    return [os.path.normpath(f"{between}/{path}") for path in paths]


def _shown(path: bytes) -> str:
    return path.decode("utf-8", "replace")
