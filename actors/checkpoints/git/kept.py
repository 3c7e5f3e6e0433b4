"""The refs that keep captures: what their commits say, what there is, and what deleting some of it frees."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import attrs

from ....contracts.ids import CheckpointRef
from .details import CaptureDetails
from .git import Git
from .recording import Tree
from .ref_contents import CommitText, FoundRef, read_refs
from .refs import NAMESPACE, RefName, RefNames, parse_ref
from .skipped import SkippedPaths
from .wholeness import broken_commits

_EXIT_FATAL: Final = 128
_PLACE: Final = "\n\nplace "


def commit_text(message: str, place: str, tree: Tree) -> bytes:
    """A capture's commit text: message, place of the workspace in the repository, and what no tree has."""
    return f"{message}{_PLACE}{place}\n{tree.skipped.lines()}{tree.details.lines()}".encode("utf-8", "replace")


def read_commit_text(text: str) -> tuple[str, str]:
    """The message and the place in a capture's commit."""
    message, _, rest = text.strip("\n").partition(_PLACE)
    return message, rest.partition("\n")[0]


def read_skipped(text: str) -> SkippedPaths:
    """What the capture of a commit with this text skipped."""
    return SkippedPaths.read(_lines(text))


def read_details(text: str) -> CaptureDetails:
    """What the capture of a commit with this text kept beside its tree."""
    return CaptureDetails.read(_lines(text))


def _lines(text: str) -> list[str]:
    _, _, rest = text.strip("\n").partition(_PLACE)
    return rest.split("\n")[1:]


@attrs.frozen(kw_only=True)
class KeptRef:
    """A ref with the commit it names. `captured_at` is ISO-8601; `name` is the parsed ref.

    `is_missing`: objects of the capture were deleted. Where its commit was, what that said is empty.
    """

    ref: CheckpointRef
    name: RefName
    commit: str
    tree: str
    captured_at: str
    message: str
    place: str
    skipped: SkippedPaths
    details: CaptureDetails = attrs.field(factory=CaptureDetails)
    is_missing: bool = False


async def list_refs(git: Git, *patterns: str) -> tuple[KeptRef, ...]:
    """The refs below the namespace, or those of it that match, in git's order; those on a missing commit are left out.

    Raises:
        CaptureFailed: git could not list refs.
    """
    return tuple(one for one in await list_all_refs(git, *patterns) if not one.is_missing)


async def list_checked_refs(git: Git) -> tuple[KeptRef, ...]:
    """All refs below the namespace; those of whose captures any object is missing say so.

    Raises:
        CaptureFailed: git could not list refs.
    """
    found = await list_all_refs(git)
    broken = await broken_commits(git, [one.commit for one in found if not one.is_missing])
    return tuple(attrs.evolve(one, is_missing=True) if one.commit in broken else one for one in found)


async def list_all_refs(git: Git, *patterns: str) -> tuple[KeptRef, ...]:
    """As `list_refs`, with those whose commit is missing.

    Raises:
        CaptureFailed: git could not list refs.
    """
    found = await read_refs(git, *(patterns or (NAMESPACE.rstrip("/"),)))
    return tuple(_kept(one, name) for one in found if (name := parse_ref(one.ref)) is not None)


def _kept(found: FoundRef, name: RefName) -> KeptRef:
    said = found.text or CommitText(tree="", captured_at="", message="")
    message, place = read_commit_text(said.message)
    return KeptRef(
        ref=found.ref,
        name=name,
        commit=found.commit,
        tree=said.tree,
        captured_at=said.captured_at,
        message=message,
        place=place,
        skipped=read_skipped(said.message),
        details=read_details(said.message),
        is_missing=found.text is None,
    )


async def list_foreign_refs(git: Git, names: RefNames, thread: str) -> tuple[KeptRef, ...]:
    """What a thread's refs of the first edition and of other databases keep, and this database's do not.

    `thread` is the component in names. Those of the first edition come first, and of one capture only the first.
    """
    databases = ("", "db.*/")
    below = [f"{NAMESPACE}{root}/{one}{thread}/**" for root in ("checkpoints", "safety") for one in databases]
    kept = await list_all_refs(git, *below)
    present = {one.ref for one in kept}
    found: dict[tuple[CheckpointRef, str], KeptRef] = {}
    for one in sorted(kept, key=lambda one: one.name.database is not None):
        own = names.own(one.name)
        if own not in present and not one.is_missing:
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
    """Delete refs in one transaction, and measure what only they kept; 0 where objects are missing."""
    deleted = [kept for kept in await list_all_refs(git) if kept.ref in refs]
    if not deleted:
        return 0
    before = await _reachable_bytes(git)
    orders = "".join(f"delete {kept.ref} {kept.commit}\n" for kept in deleted)
    await git.run("update-ref", "--no-deref", "--stdin", stdin=orders.encode())
    after = await _reachable_bytes(git)
    freed = 0 if before is None or after is None else before - after
    if at_once and after is not None:
        await git.run("gc", "--quiet", "--prune=now")
    return freed


async def _reachable_bytes(git: Git) -> int | None:
    """What everything that refs, reflogs and the index reach takes on the disk; None where some of it is missing."""
    asked = ("--objects", "--disk-usage", "--all", "--reflog", "--indexed-objects")
    reached = await git.run("rev-list", *asked, codes=(0, _EXIT_FATAL))
    return int(reached.output or b"0") if reached.code == 0 else None
