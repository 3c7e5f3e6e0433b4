"""The refs that keep captures: what their commits say, what there is, and what deleting some of it frees."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import attrs

from ...runtime.contracts.ids import CheckpointRef
from .git import Git
from .refs import NAMESPACE, RefName, parse_ref
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


async def list_refs(git: Git) -> tuple[KeptRef, ...]:
    """The refs below the namespace, in git's order."""
    fields = (
        "--format=%(refname)%00%(objectname)%00%(tree)%00%(committerdate:iso-strict)%00%(contents)%00%00",
        NAMESPACE.rstrip("/"),
    )
    listing = (await git.run("for-each-ref", *fields)).output.decode("utf-8", "replace")
    found = []
    for entry in listing.split("\0\0\n"):
        if not entry:
            continue
        ref, commit, tree, captured_at, text = entry.split("\0")
        name = parse_ref(ref)
        if name is not None:
            found.append(
                KeptRef(
                    ref=CheckpointRef(ref),
                    name=name,
                    commit=commit,
                    tree=tree,
                    captured_at=captured_at,
                    message=read_commit_text(text)[0],
                )
            )
    return tuple(found)


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
