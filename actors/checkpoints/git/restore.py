"""Putting a captured tree back into the workspace, without losing anything that no capture holds.

1. The workspace is compared with the target. What stands in the way of a file of the target and is in no capture (an
   ignored file, one above the size limit) is taken into the present's tree, whatever its size.
2. What cannot be put back without loss is refused here: a nested repository or a special file in the way.
3. The present's tree is kept under the safety ref. Nothing was touched before.
4. What changed since 1 is refused as well. Then files go and files come; each file of the target that differs is
   written with its bytes and its permissions (`writing.py`), and directories that this empties go.

Only what captures know is touched. A file that the rules of the target ignore (its `.gitignore`, and those that its
capture kept) stays, also where it is captured now, unless it stands in the way. Such files, nested repositories, files
above the size limit, files of other runtimes' databases, and what stands at or below a path that the target or the
present capture skipped are left alone, and named, also where only captures in between know of it (`unseen.py`). This
runtime's own files are not examined.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import attrs

from ....contracts.errors import OrchestrionError
from ....persistence.crash_points import crash_point
from ....persistence.threads import in_thread
from .git import CaptureFailed, Git
from .ignoring import paths_of
from .notes import find_notes
from .obstacles import NOTHING, PathChange, RestoreRefused, check_writable, find_obstacles, parents_of, shown
from .own_files import OwnFiles
from .recording import Tree, record, record_workspace, tree_of_index
from .scratch import Layout, keep_index, keep_objects, scratch_repository
from .skipped import SkippedPaths, is_in_any
from .survey import WorkspaceTooLarge
from .target_rules import ignored_by_target
from .unseen import find_unseen
from .writing import clear, standing_modes, write_files

_REPOSITORY: Final = b"160000"


class RestoreFailed(OrchestrionError):
    """Putting files back failed half way. What stood there before is kept under `safety_ref`."""

    def __init__(self, directory: Path, safety_ref: str, fault: str) -> None:
        super().__init__(f"restoring {directory} failed: {fault}; what stood there before is kept as {safety_ref}")
        self.directory = directory
        self.safety_ref = safety_ref
        self.fault = fault


@attrs.frozen(kw_only=True)
class RestoreForecast:
    """What a restore would do: the present's tree, the paths to be written and removed, what would be left alone.

    `left_alone` are those that differ from the target, or may, and stay as they are.
    """

    present: str
    written: tuple[bytes, ...]
    removed: tuple[bytes, ...]
    left_alone: tuple[str, ...]


@attrs.frozen(kw_only=True)
class Restored:
    """What was done, and `untouched`: every path whose difference from the target remains, named or not."""

    done: RestoreForecast
    untouched: frozenset[bytes]

    @property
    def written(self) -> int:
        return len(self.done.written)

    @property
    def removed(self) -> int:
        return len(self.done.removed)

    @property
    def left_alone(self) -> tuple[str, ...]:
        return self.done.left_alone


@attrs.frozen(kw_only=True)
class _RestorePlan:
    """What is to be written and removed, and `in_the_way`: what no capture holds yet and would be lost."""

    written: tuple[bytes, ...]
    removed: frozenset[bytes]
    in_the_way: tuple[bytes, ...]
    left_alone: tuple[bytes, ...]
    untouched: frozenset[bytes]


@attrs.frozen(kw_only=True)
class _RestoreWork:
    """What a plan is made with: the workspace, the scratch repository in its directory, and what is a runtime's own."""

    scratch: Git
    layout: Layout
    own: OwnFiles
    directory: Path
    touched: Touched


Approve = Callable[[RestoreForecast], Awaitable[None]]
"""Raises what refuses a restore, before anything is touched."""

Touched = Callable[[], Awaitable[Collection[bytes]]]
"""Answers with the paths that are known to have changed since the target; asked where the present hides some."""


async def no_touched_paths() -> Collection[bytes]:
    """The answer where no capture since the target is known."""
    return ()


async def forecast_tree(git: Git, layout: Layout, target: Tree, touched: Touched) -> RestoreForecast:
    """What restoring `target` would do now. No file is touched, and nothing keeps the objects that are written.

    Raises:
        RestoreRefused: it would lose something.
        CaptureFailed: the present could not be captured.
    """
    async with scratch_repository(git, layout, warm=False) as (scratch, directory):
        own = await in_thread(OwnFiles.look, layout.top, layout.database)
        skipped = await record_workspace(git, scratch, layout, own)
        present = await tree_of_index(scratch, directory, layout, skipped)
        work = _RestoreWork(scratch=scratch, layout=layout, own=own, directory=directory, touched=touched)
        plan = await _plan(work, present, target)
        await in_thread(keep_objects, directory, layout)
    return _forecast(present, plan)


async def restore_tree(
    git: Git,
    layout: Layout,
    target: Tree,
    keep: Callable[[Tree], Awaitable[str]],
    *,
    touched: Touched,
    approve: Approve | None = None,
) -> Restored:
    """Make the workspace what the tree `target` holds. `keep` makes the present's tree safe and names its ref.

    `approve` is asked before, with what would be done. Cancelled, it leaves files of both; restoring again goes on from
    there.

    Raises:
        RestoreRefused: it would lose something, or may not write. Nothing was touched.
        CaptureFailed: the present could not be captured. Nothing was touched.
        RestoreFailed: files could not be written or removed.
    """
    try:
        return await _attempt(git, layout, target, keep, approve, touched=touched, warm=True)
    except WorkspaceTooLarge:
        raise
    except CaptureFailed:
        return await _attempt(git, layout, target, keep, approve, touched=touched, warm=False)


async def _attempt(
    git: Git,
    layout: Layout,
    target: Tree,
    keep: Callable[[Tree], Awaitable[str]],
    approve: Approve | None,
    *,
    touched: Touched,
    warm: bool,
) -> Restored:
    """One attempt. The index of the last capture may name objects that are gone since: `warm` says to use it."""
    async with scratch_repository(git, layout, warm=warm) as (scratch, directory):
        own = await in_thread(OwnFiles.look, layout.top, layout.database)
        skipped = await record_workspace(git, scratch, layout, own)
        present = await tree_of_index(scratch, directory, layout, skipped)
        work = _RestoreWork(scratch=scratch, layout=layout, own=own, directory=directory, touched=touched)
        plan = await _plan(work, present, target)
        refused = await record(scratch, layout, plan.in_the_way, own, whole=True)
        if refused:
            raise RestoreRefused(layout.top, f"{shown(min(refused.reasons))} is in the way and cannot be read")
        await in_thread(check_writable, layout, (*plan.removed, *plan.written))
        if plan.in_the_way:
            present = await tree_of_index(scratch, directory, layout, skipped)
        await in_thread(keep_objects, directory, layout)
        if approve is not None:
            await approve(_forecast(present, plan))
        safety_ref = await keep(present)
        await _check_unchanged(scratch, layout, plan)
        await in_thread(keep_index, directory, layout)
        crash_point("revert.safety-kept")
        try:
            replaced = await in_thread(standing_modes, layout, plan.written)
            await in_thread(clear, layout, plan.removed, plan.written)
            crash_point("revert.files-cleared")
            targeted = _beside(scratch, directory, "target-index")
            await write_files(targeted, layout, plan.written, target.details.modes, replaced)
        except (CaptureFailed, OSError) as fault:
            raise RestoreFailed(layout.top, safety_ref, str(fault)) from fault
    return Restored(done=_forecast(present, plan), untouched=plan.untouched)


def _forecast(present: Tree, plan: _RestorePlan) -> RestoreForecast:
    return RestoreForecast(
        present=present.name,
        written=plan.written,
        removed=tuple(sorted(plan.removed)),
        left_alone=tuple(path.decode("utf-8", "replace") for path in plan.left_alone),
    )


def _beside(scratch: Git, directory: Path, index: str) -> Git:
    return attrs.evolve(scratch, variables={**scratch.variables, "GIT_INDEX_FILE": str(directory / index)})


async def _plan(work: _RestoreWork, present: Tree, target: Tree) -> _RestorePlan:
    scratch, layout, directory = work.scratch, work.layout, work.directory
    found_changes = await _changes(scratch, present.name, target.name)
    of_the_runtime = await in_thread(work.own.those_of, [change.path for change in found_changes])
    foreign = await in_thread(work.own.foreign_places, of_the_runtime)
    changes = [change for change in found_changes if change.path not in of_the_runtime]
    notes = await _notes(scratch, changes)
    alone = {change.path for change in changes if _is_left_alone(change, notes)}
    unknown = _unknown(present.skipped, target.skipped)
    alone |= {change.path for change in changes if is_in_any(change.path, unknown)}
    alone.update(foreign)
    without_files = frozenset(
        change.path for change in changes if change.target_mode == _REPOSITORY or change.target_blob in notes
    )
    nested_in_present = frozenset(change.path for change in changes if change.present_mode == _REPOSITORY)
    written = [one for one in changes if one.path not in alone and one.target_mode != NOTHING]
    gone = {one.path for one in changes if one.path not in alone and one.target_mode == NOTHING}
    for change in written:
        above = nested_in_present.intersection((change.path, *parents_of(change.path)))
        if above:
            raise RestoreRefused(layout.top, f"there is a git repository at {shown(min(above))}: move it away first")
    alone |= {path for path in gone if is_in_any(path, without_files)}
    gone -= alone
    targeted = _beside(scratch, directory, "target-index")
    await targeted.run("read-tree", target.name)
    ignored = await ignored_by_target(targeted, layout, gone, directory, target.details.rules)
    ignored -= _paths_replaced_by(gone, {one.path for one in written})
    gone -= ignored
    alone |= ignored
    found = await in_thread(partial(find_obstacles, layout, work.own, written, gone, notes))
    touched = await work.touched() if present.skipped.unknown else ()
    alone |= await find_unseen(
        layout, work.own, present=present.skipped, target=target.skipped, named=alone, touched=touched
    )
    return _RestorePlan(
        written=tuple(one.path for one in written),
        removed=frozenset(gone | (found - {one.path for one in written})),
        in_the_way=tuple(sorted(found)),
        left_alone=tuple(sorted(alone)),
        untouched=frozenset(alone | of_the_runtime),
    )


def _unknown(present: SkippedPaths, target: SkippedPaths) -> frozenset[bytes]:
    """Where the target does not say what stood there, or nothing can be kept of what stands there now.

    What is not a file now is refused where it is in the way, and does not matter elsewhere.
    """
    return target.unknown | (present.unknown - present.only("special-file"))


def _is_left_alone(change: PathChange, notes: Collection[bytes]) -> bool:
    """Nested repositories that come, move or go, and files whose content the target does not have."""
    if change.target_mode == _REPOSITORY or change.target_blob in notes:
        return True
    return change.target_mode == NOTHING and (change.present_mode == _REPOSITORY or change.present_blob in notes)


async def _changes(scratch: Git, present: str, target: str) -> list[PathChange]:
    options = ("-r", "-z", "--raw", "--no-renames", "--no-abbrev", "--ignore-submodules=none")
    listing = await scratch.run("diff-tree", *options, present, target)
    fields: Iterator[bytes] = iter(listing.output.split(b"\0"))
    found = []
    for field in fields:
        if field:
            present_mode, target_mode, present_blob, target_blob, _ = field[1:].split(b" ")
            found.append(
                PathChange(
                    path=next(fields),
                    present_mode=present_mode,
                    target_mode=target_mode,
                    present_blob=present_blob,
                    target_blob=target_blob,
                )
            )
    return found


async def _notes(scratch: Git, changes: Sequence[PathChange]) -> frozenset[bytes]:
    """Those of the changes' blobs that are notes in place of a content."""
    blobs = {blob for one in changes for blob in (one.present_blob, one.target_blob) if blob.strip(b"0")}
    blobs -= {one.target_blob for one in changes if one.target_mode == _REPOSITORY}
    blobs -= {one.present_blob for one in changes if one.present_mode == _REPOSITORY}
    return await find_notes(scratch, blobs)


def _paths_replaced_by(paths: Collection[bytes], written: Collection[bytes]) -> set[bytes]:
    """Those of `paths` that are a directory of a path to be written, or lie below one."""
    above = {parent for path in written for parent in parents_of(path)}
    return {path for path in paths if path in above or any(parent in written for parent in parents_of(path))}


async def _check_unchanged(scratch: Git, layout: Layout, plan: _RestorePlan) -> None:
    changed = set(paths_of(await scratch.run("diff-files", "-z", "--name-only", "--ignore-submodules=all")))
    touched = sorted(changed.intersection((*plan.written, *plan.removed)))
    if touched:
        raise RestoreRefused(layout.top, f"{shown(touched[0])} is being written to: try again")
