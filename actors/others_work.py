"""Whose work a revert would undo beside the thread's own.

What a turn changed is the difference from its baseline to its end. So what changed since the state to go back to, and
between a turn's end and the next turn's baseline, or since the last turn's end, is not the thread's. Where an end or a
baseline was not captured, what cannot be told apart counts as the thread's own. Files that a turn of another thread
changed since are that thread's as well, also where both turns ran at once.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ..persistence.revert_rows import RevertFacts
from ..runtime.contracts.errors import NotFound, OrchestrionError
from ..runtime.contracts.ids import CheckpointRef, ThreadId, TurnId
from ..runtime.contracts.revert_preview import OthersWork, RevertPreview
from .workspace import Capture, Foreseen, GitWorkspace, KeptRef, RefKind, RefNames

_NAMED = 3


class UndoesOthers(OrchestrionError):
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
        RestoreRefused: files would be lost, whatever the command says.
        CaptureFailed: the workspace cannot be captured.
        GitUnavailable: there is no git program.
    """
    workspace = await GitWorkspace.open(facts.workspace, database=database, makes_shadow=False)
    target = None if workspace is None else await find_target(workspace, names, facts)
    if workspace is None or target is None:
        what = state_of(facts.turn_count)
        raise NotFound(f"{what} of thread {facts.thread_id!r} was not captured in {facts.workspace}")
    foreseen = await workspace.foresee(target)
    return await others_work(workspace, names, facts, target, foreseen, database=database)


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
    names: RefNames,
    facts: RevertFacts,
    target: Capture,
    foreseen: Foreseen,
    *,
    database: Path,
) -> RevertPreview:
    """Tell the thread's own work in what a restore would change from everybody else's.

    Raises:
        CaptureFailed: captures cannot be compared.
    """
    touched = {_shown(path) for path in (*foreseen.written, *foreseen.removed)}
    foreign = {_shown(path) for path in await _changed_by_others(workspace, facts, target, foreseen.present)}
    turns: dict[ThreadId, dict[int, set[str]]] = {}
    tops: dict[Path, Path | None] = {}
    deleted = {turn.thread_id for turn in facts.others if turn.is_deleted}
    for turn in facts.others:
        if turn.workspace not in tops:
            other = await GitWorkspace.open(turn.workspace, database=database, makes_shadow=False)
            tops[turn.workspace] = None if other is None else other.top
        top = tops[turn.workspace]
        paths = set() if top is None else touched.intersection(_seen_from(workspace.top, top, turn.paths))
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
    return RevertPreview(
        thread_id=facts.thread_id,
        turn_count=facts.turn_count,
        workspace=str(facts.workspace),
        written=tuple(sorted(_shown(path) for path in foreseen.written)),
        removed=tuple(sorted(_shown(path) for path in foreseen.removed)),
        left_alone=foreseen.left_alone,
        others=others,
        outside=tuple(sorted(touched.intersection(foreign) - theirs)),
    )


async def _changed_by_others(workspace: GitWorkspace, facts: RevertFacts, target: Capture, present: str) -> set[bytes]:
    """The paths that changed since the target outside the thread's turns, as far as captures tell."""
    kept = {(one.name.kind, one.message): one for one in await workspace.refs_of(facts.thread_id)}

    def tree(kind: RefKind, message: str) -> str | None:
        found: KeptRef | None = kept.get((kind, message))
        return found.tree if found is not None and found.place == workspace.place else None

    changed: set[bytes] = set()
    last: str | None = target.tree
    for count in sorted(count for count in facts.turns if count > facts.turn_count):
        start = tree("baseline", f"before turn {facts.turns[count]}")
        if last is not None and start is not None:
            changed.update(await workspace.changed_paths(last, start))
        last = tree("turn", f"after turn {facts.turns[count]}")
    if last is not None:
        changed.update(await workspace.changed_paths(last, present))
    return changed


def _seen_from(top: Path, other_top: Path, paths: Sequence[str]) -> list[str]:
    """Paths from one work tree's top as they are from another's."""
    if top == other_top:
        return list(paths)
    between = os.path.relpath(other_top, top)
    return [os.path.normpath(f"{between}/{path}") for path in paths]


def _shown(path: bytes) -> str:
    return path.decode("utf-8", "replace")
