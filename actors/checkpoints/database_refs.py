"""The refs that keep a database's captures: what each is, which of them have outlived their use, and going back to one.

A repository may serve several databases, whose clients may choose the same ids. A database's refs have its identity in
their names. Of the others these are shown, and the first kind is pruned like its own: refs of the first edition, which
have no identity, where they are of a turn or a request of this database; and refs of identities that this database had
before it was copied, which are the other copy's as well.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final, Literal, Self, TypeAlias

import attrs

from ...contracts.errors import NotFound
from ...contracts.ids import CheckpointRef, ThreadId
from ...persistence.checkpoint_rows import ThreadWorkspaces
from ...persistence.identity import DatabaseIdentity
from .adoption import is_known
from .git import Capture, GitWorkspace, KeptRef, RefNames, Restored, parse_ref, thread_component

Standing: TypeAlias = Literal["current", "reverted", "deleted", "safety", "journal", "former", "missing"]
"""`reverted`: of a turn that a revert removed. `deleted`: of a thread that is deleted, safety refs included. `journal`:
the safety refs of a revert that was cut off and is done at the next start. `former`: under an identity that the
database had before it was copied. `missing`: objects of the capture were deleted, as by `git gc --prune=now`, so it
cannot be restored; `captured_at` and `message` are empty where its commit is gone."""

_ASKED: Final = "asked-"
_LIST_THEM: Final = "list them with orchestrion checkpoints"


@attrs.frozen(kw_only=True)
class RefOwner:
    """A database, as far as its refs go: its file, the identity it has there, and those it had before."""

    database: Path
    identity: str | None
    former: tuple[str, ...] = ()

    @classmethod
    def of(cls, database: Path, identity: DatabaseIdentity | None) -> Self:
        """A copy that no runtime has opened yet has no identity of its own."""
        if identity is None:
            return cls(database=database, identity=None)
        if identity.is_here:
            return cls(database=database, identity=identity.id, former=identity.former)
        return cls(database=database, identity=None, former=(identity.id, *identity.former))

    @property
    def names(self) -> RefNames:
        return RefNames(database=self.identity)

    def shows(self, kept: KeptRef, thread: ThreadWorkspaces) -> bool:
        """Whether the ref is this database's, or keeps something of it."""
        database = kept.name.database
        if database is not None and database == self.identity:
            return True
        if database is not None and database not in self.former:
            return False
        return (
            kept.is_missing or is_known(kept, thread.known) or (database is None and kept.name.name.startswith(_ASKED))
        )

    def can_prune(self, ref: ThreadRef) -> bool:
        """Whether a ref that is shown has no other possible owner. One made by hand does not name its maker."""
        name = parse_ref(ref.ref)
        return name is not None and (name.database == self.identity or not name.name.startswith(_ASKED))


@attrs.frozen(kw_only=True)
class ThreadRef:
    """A ref of a thread, and its standing."""

    thread_id: ThreadId
    workspace: str
    ref: CheckpointRef
    kind: str
    turn_count: int | None
    standing: Standing
    captured_at: str
    commit: str
    message: str


@attrs.frozen(kw_only=True)
class Pruned:
    """What a pruning deleted. `freed_bytes` counts what nothing keeps any more."""

    refs: tuple[ThreadRef, ...]
    freed_bytes: int


@attrs.frozen(kw_only=True)
class RestoredCapture:
    """A workspace that was put back to a capture, and the ref that keeps what stood there before."""

    workspace: str
    safety_ref: CheckpointRef
    written: int
    removed: int
    left_alone: tuple[str, ...]


async def list_thread_refs(owner: RefOwner, threads: Sequence[ThreadWorkspaces]) -> tuple[ThreadRef, ...]:
    """The refs of these threads, thread by thread. Nothing is made or changed.

    Raises:
        GitUnavailable: there is no git program.
        CaptureFailed: a repository cannot be read.
    """
    found: dict[tuple[ThreadId, CheckpointRef], ThreadRef] = {}
    for place, kept in (await _kept(owner.database, threads)).items():
        by_component: dict[str, list[KeptRef]] = {}
        for one in kept:
            by_component.setdefault(one.name.thread, []).append(one)
        for thread in threads:
            if place in thread.places:
                for one in by_component.get(thread_component(thread.thread_id), ()):
                    if owner.shows(one, thread):
                        found.setdefault((thread.thread_id, one.ref), _thread_ref(owner, thread, place, one))
    order = {thread.thread_id: number for number, thread in enumerate(threads)}
    return tuple(sorted(found.values(), key=lambda one: (order[one.thread_id], one.kind, one.turn_count or 0, one.ref)))


async def prune(
    owner: RefOwner, threads: Sequence[ThreadWorkspaces], *, safety_days: int, former: bool = False
) -> Pruned:
    """Delete the refs of deleted threads, of reverted turns, and safety refs older than `safety_days`.

    Those of which objects are missing go as well, since they stop the user's own git.
    The safety refs of a revert that is still to be finished stay: what it put away is nowhere else. Refs of identities
    that the database had before it was copied stay as well, unless `former` says that the other copy is gone: then
    what is current of them is kept under this database's own names.
    No runtime owns the database meanwhile: a turn's baseline is recorded before the turn.

    Raises:
        GitUnavailable: there is no git program.
        CaptureFailed: a repository cannot be read or written.
    """
    oldest = datetime.now(UTC) - timedelta(days=safety_days)
    doomed = [
        one
        for one in await list_thread_refs(owner, threads)
        if owner.can_prune(one) and (_has_outlived(one, oldest) or (former and one.standing == "former"))
    ]
    freed = 0
    for place in dict.fromkeys(one.workspace for one in doomed):
        workspace = await GitWorkspace.open(Path(place), database=owner.database, makes_shadow=False)
        if workspace is not None:
            if former and owner.identity is not None:
                await _adopt_former(workspace, owner, threads)
            freed += await workspace.prune([one.ref for one in doomed if one.workspace == place])
    return Pruned(refs=tuple(doomed), freed_bytes=freed)


async def _adopt_former(workspace: GitWorkspace, owner: RefOwner, threads: Sequence[ThreadWorkspaces]) -> None:
    for thread in threads:
        foreign = await workspace.foreign_refs(owner.names, thread.thread_id)
        current = [
            one for one in foreign if one.name.database in owner.former and _standing_of(thread, one) == "current"
        ]
        await workspace.adopt(owner.names, current)


async def restore_capture(
    owner: RefOwner, threads: Sequence[ThreadWorkspaces], thread_id: ThreadId, ref: str
) -> RestoredCapture:
    """Put the files of a thread's workspace back to what one of its refs keeps; the thread's history stays as it is.

    No runtime owns the database meanwhile.

    Raises:
        NotFound: the thread does not exist, or has no such ref.
        RestoreRefused: files would be lost. Nothing was touched.
        RestoreFailed: it ended half way.
        CaptureFailed: the workspace cannot be captured first. Nothing was touched.
        GitUnavailable: there is no git program.
    """
    thread = next((one for one in threads if one.thread_id == thread_id), None)
    if thread is None:
        raise NotFound("thread", thread_id)
    name = parse_ref(ref)
    if name is None or name.thread != thread_component(thread_id):
        raise NotFound("checkpoint", ref, f"is not a ref of thread {thread_id!r}: {_LIST_THEM}")
    asked = f"{_ASKED}{time.time_ns()}"
    if name.database is not None and name.database not in (owner.identity, *owner.former):
        raise NotFound("checkpoint", ref, f"belongs to another database: {_LIST_THEM}")
    for place in thread.places:
        workspace = await GitWorkspace.open(place, database=owner.database, makes_shadow=False)
        target = None if workspace is None else await workspace.existing(CheckpointRef(ref))
        if workspace is not None and target is not None and target.place == workspace.place:
            kept, restored = await workspace.restore(
                target,
                lambda attempt: owner.names.safety(thread_id, asked, attempt),
                f"before going back to {ref}",
                touched=partial(_touched, workspace, owner, thread, target),
            )
            return _restored_capture(workspace, kept.ref, restored)
    raise NotFound("checkpoint", ref, f"does not exist in a workspace of thread {thread_id!r}: {_LIST_THEM}")


async def _touched(
    workspace: GitWorkspace, owner: RefOwner, thread: ThreadWorkspaces, target: Capture
) -> frozenset[bytes]:
    """The paths that differ between the target and the thread's other captures in this workspace."""
    kept = [one for one in await workspace.refs_of(thread.thread_id) if owner.shows(one, thread)]
    return await workspace.paths_differing_from(target.tree, [one.tree for one in kept if one.place == workspace.place])


async def _kept(database: Path, threads: Sequence[ThreadWorkspaces]) -> dict[Path, tuple[KeptRef, ...]]:
    kept = {}
    for place in dict.fromkeys(place for thread in threads for place in thread.places):
        workspace = await GitWorkspace.open(place, database=database, makes_shadow=False)
        if workspace is not None:
            kept[place] = await workspace.refs()
    return kept


def _thread_ref(owner: RefOwner, thread: ThreadWorkspaces, place: Path, kept: KeptRef) -> ThreadRef:
    return ThreadRef(
        thread_id=thread.thread_id,
        workspace=str(place),
        ref=kept.ref,
        kind=kept.name.kind,
        turn_count=kept.name.turn_count,
        standing="former" if kept.name.database in owner.former and not kept.is_missing else _standing_of(thread, kept),
        captured_at=kept.captured_at,
        commit=kept.commit,
        message=kept.message,
    )


def _standing_of(thread: ThreadWorkspaces, kept: KeptRef) -> Standing:
    if kept.is_missing:
        return "missing"
    if thread.is_deleted:
        return "deleted"
    if kept.name.turn_count is None:
        return "journal" if kept.name.name.partition(".")[0] in thread.open_reverts else "safety"
    turn_id = thread.turns.get(kept.name.turn_count)
    return "current" if turn_id is not None and kept.message.endswith(f" turn {turn_id}") else "reverted"


def _has_outlived(one: ThreadRef, oldest: datetime) -> bool:
    if one.standing == "safety":
        return datetime.fromisoformat(one.captured_at) < oldest
    return one.standing not in ("current", "journal") and one.standing != "former"


def _restored_capture(workspace: GitWorkspace, ref: CheckpointRef, restored: Restored) -> RestoredCapture:
    return RestoredCapture(
        workspace=str(workspace.top),
        safety_ref=ref,
        written=restored.written,
        removed=restored.removed,
        left_alone=restored.left_alone,
    )
