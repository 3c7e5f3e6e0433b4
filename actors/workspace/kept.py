"""The refs that keep captures: what their commits say, what there is, and what deleting some of it frees."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import attrs

from ...runtime.contracts.ids import CheckpointRef
from .git import Git
from .refs import NAMESPACE, RefName, RefNames, parse_ref
from .skipped import SkippedPaths

_PLACE: Final = "\n\nplace "


def commit_text(message: str, place: str, skipped: SkippedPaths) -> bytes:
    """What a capture's commit says: its message, the place of the workspace in the repository, and what it skipped."""
    return f"{message}{_PLACE}{place}\n{skipped.lines()}".encode("utf-8", "replace")


def read_commit_text(text: str) -> tuple[str, str]:
    """The message and the place that a capture's commit says."""
    message, _, rest = text.strip("\n").partition(_PLACE)
    return message, rest.partition("\n")[0]


def read_skipped(text: str) -> SkippedPaths:
    """What the capture of a commit with this text skipped."""
    _, _, rest = text.strip("\n").partition(_PLACE)
    return SkippedPaths.read(rest.split("\n")[1:])


@attrs.frozen(kw_only=True)
class KeptRef:
    """A ref with the commit it names. `captured_at` is ISO-8601 as git writes it; `name` is what the ref says."""

    ref: CheckpointRef
    name: RefName
    commit: str
    tree: str
    captured_at: str
    message: str
    place: str
    skipped: SkippedPaths


async def list_refs(git: Git, *patterns: str) -> tuple[KeptRef, ...]:
    """The refs below the namespace, or those of it that match, in git's order."""
    fields = "--format=%(refname)%00%(objectname)%00%(tree)%00%(committerdate:iso-strict)%00%(contents)%00%00"
    asked = patterns or (NAMESPACE.rstrip("/"),)
    listing = (await git.run("for-each-ref", fields, *asked)).output.decode("utf-8", "replace")
    found = []
    for entry in listing.split("\0\0\n"):
        if not entry:
            continue
        ref, commit, tree, captured_at, text = entry.split("\0")
        name = parse_ref(ref)
        if name is not None:
            message, place = read_commit_text(text)
            found.append(
                KeptRef(
                    ref=CheckpointRef(ref),
                    name=name,
                    commit=commit,
                    tree=tree,
                    captured_at=captured_at,
                    message=message,
                    place=place,
                    skipped=read_skipped(text),
                )
            )
    return tuple(found)


async def list_foreign_refs(git: Git, names: RefNames, thread: str) -> tuple[KeptRef, ...]:
    """What a thread's refs of the first edition and of other databases keep, and this database's do not.

    `thread` is the component in names. Those of the first edition come first, and of one capture only the first.
    """
    databases = ("", "db.*/")
    below = [f"{NAMESPACE}{root}/{one}{thread}/**" for root in ("checkpoints", "safety") for one in databases]
    kept = await list_refs(git, *below)
    present = {one.ref for one in kept}
    found: dict[tuple[CheckpointRef, str], KeptRef] = {}
    for one in sorted(kept, key=lambda one: one.name.database is not None):
        own = names.own(one.name)
        if own not in present:
            found.setdefault((own, one.message), one)
    return tuple(found.values())


async def adopt_refs(git: Git, names: RefNames, refs: Collection[KeptRef]) -> None:
    """Keep what these refs keep under this database's names: those of the first edition move, others stay.

    Raises:
        CaptureFailed: git could not write a ref; none is written.
    """
    orders: dict[CheckpointRef, str] = {}
    for one in refs:
        moved = f"delete {one.ref} {one.commit}\n" if one.name.database is None else ""
        orders.setdefault(names.own(one.name), f"create {names.own(one.name)} {one.commit}\n{moved}")
    if orders:
        await git.run("update-ref", "--no-deref", "--stdin", stdin="".join(orders.values()).encode())


async def prune_refs(git: Git, refs: Collection[CheckpointRef], *, at_once: bool) -> int:
    """Delete refs in one transaction, and measure what only they kept."""
    deleted = [kept for kept in await list_refs(git) if kept.ref in refs]
    if not deleted:
        return 0
    before = await _reachable_bytes(git)
    orders = "".join(f"delete {kept.ref} {kept.commit}\n" for kept in deleted)
    await git.run("update-ref", "--no-deref", "--stdin", stdin=orders.encode())
    freed = before - await _reachable_bytes(git)
    if at_once:
        await git.run("gc", "--quiet", "--prune=now")
    return freed


async def _reachable_bytes(git: Git) -> int:
    """What everything that refs, reflogs and the index reach takes on the disk."""
    reached = await git.run("rev-list", "--objects", "--disk-usage", "--all", "--reflog", "--indexed-objects")
    return int(reached.output or b"0")
