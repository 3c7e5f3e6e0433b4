"""Whether turns alone explain the state of a file, or it was edited outside any turn too.

A turn takes a file from its content at the baseline to its content at the end. If such steps, of any thread and in any
order, lead from the content at the target to the present one, the turns explain it. The order is not looked at, since
turns of several threads may run at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

from ...contracts.ids import ThreadId, TurnId
from ...persistence.revert_rows import RevertFacts
from .git import Capture, GitWorkspace, RefKind

_MOST_PATHS: Final = 1000
"""For more files at once the answer is that turns explain them: they go to git as arguments."""

Trees: TypeAlias = dict[tuple[RefKind, str], str]
Step: TypeAlias = tuple[str, str]
"""The trees at the start and at the end of a turn."""


async def find_edited_outside(
    workspace: GitWorkspace, facts: RevertFacts, target: Capture, present: str, paths: Sequence[bytes]
) -> frozenset[bytes]:
    """Those of the paths whose present content the turns of the thread and of the others do not explain.

    Raises:
        CaptureFailed: captures cannot be read.
    """
    if not paths or len(paths) > _MOST_PATHS:
        return frozenset()
    turns = [(facts.thread_id, turn_id) for count, turn_id in facts.turns.items() if count > facts.turn_count]
    turns += [(turn.thread_id, turn.turn_id) for turn in facts.others]
    steps = await _steps_of(workspace, turns)
    if steps is None:
        return frozenset()
    contents = {
        tree: await workspace.entries_of(tree, paths)
        for tree in dict.fromkeys([target.tree, present, *(tree for step in steps for tree in step)])
    }
    return frozenset(
        path
        for path in paths
        if not _leads_to(
            contents[target.tree].get(path),
            contents[present].get(path),
            [(contents[start].get(path), contents[end].get(path)) for start, end in steps],
        )
    )


async def _steps_of(workspace: GitWorkspace, turns: Iterable[tuple[ThreadId, TurnId]]) -> list[Step] | None:
    """The steps of these turns; None if one of them has not both captures here."""
    kept: dict[ThreadId, Trees] = {}
    steps: list[Step] = []
    for thread_id, turn_id in turns:
        if thread_id not in kept:
            kept[thread_id] = await kept_trees(workspace, thread_id)
        start = kept[thread_id].get(("baseline", f"before turn {turn_id}"))
        end = kept[thread_id].get(("turn", f"after turn {turn_id}"))
        if start is None or end is None:
            return None
        steps.append((start, end))
    return steps


async def kept_trees(workspace: GitWorkspace, thread_id: ThreadId) -> Trees:
    """The trees of a thread's captures in this workspace, by kind and message."""
    refs = await workspace.refs_of(thread_id)
    return {(one.name.kind, one.message): one.tree for one in refs if one.place == workspace.place}


def _leads_to(first: bytes | None, last: bytes | None, steps: Sequence[tuple[bytes | None, bytes | None]]) -> bool:
    """Whether steps lead from one content of a file to another. None: there is no file."""
    reached = {first}
    while found := {end for start, end in steps if start in reached} - reached:
        reached |= found
    return last in reached
