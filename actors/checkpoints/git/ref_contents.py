"""The refs below the namespace with the text of their commits, read so that one on a missing object harms no other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

import attrs

from ....contracts.ids import CheckpointRef
from .git import Git

_EXIT_FATAL: Final = 128


@attrs.frozen(kw_only=True)
class CommitText:
    """The content of a commit. `captured_at` is ISO-8601."""

    tree: str
    captured_at: str
    message: str


@attrs.frozen(kw_only=True)
class FoundRef:
    """A ref and the name of its commit; `text` is None where the commit is missing or cannot be read."""

    ref: CheckpointRef
    commit: str
    text: CommitText | None


async def read_refs(git: Git, *patterns: str) -> tuple[FoundRef, ...]:
    """The refs that match, in git's order.

    Raises:
        CaptureFailed: git could not list refs.
    """
    listing = (await git.run("for-each-ref", "--format=%(objectname) %(refname)", *patterns)).output
    named = [line.split(" ", 1) for line in listing.decode("utf-8", "replace").splitlines()]
    texts = await _texts(git, list(dict.fromkeys(commit for commit, _ in named)))
    return tuple(FoundRef(ref=CheckpointRef(ref), commit=commit, text=texts.get(commit)) for commit, ref in named)


async def delete_missing(git: Git, refs: Iterable[FoundRef]) -> None:
    """Delete those of these refs whose commit is missing: they keep nothing, and stop the user's own git.

    Raises:
        CaptureFailed: git could not delete one, or it was moved meanwhile; none is deleted.
    """
    orders = "".join(f"delete {one.ref} {one.commit}\n" for one in refs if one.text is None)
    if orders:
        await git.run("update-ref", "--no-deref", "--stdin", stdin=orders.encode())


async def _texts(git: Git, commits: Sequence[str]) -> dict[str, CommitText]:
    """The contents of these commits. Where git fails on a damaged one, halves are read until it is isolated."""
    if not commits:
        return {}
    asked = "".join(f"{commit}\n" for commit in commits).encode("ascii")
    answer = await git.run("cat-file", "--batch", stdin=asked, codes=(0, _EXIT_FATAL))
    if answer.code == 0:
        return _parsed(answer.output)
    if len(commits) == 1:
        return {}
    middle = len(commits) // 2
    return await _texts(git, commits[:middle]) | await _texts(git, commits[middle:])


def _parsed(output: bytes) -> dict[str, CommitText]:
    found: dict[str, CommitText] = {}
    position = 0
    while position < len(output):
        end = output.index(b"\n", position)
        facts = output[position:end].split(b" ")
        position = end + 1
        if len(facts) == 3:
            size = int(facts[2])
            if facts[1] == b"commit":
                found[facts[0].decode("ascii")] = _commit_text(output[position : position + size])
            position += size + 1
    return found


def _commit_text(content: bytes) -> CommitText:
    head, _, message = content.decode("utf-8", "replace").partition("\n\n")
    lines = dict(line.split(" ", 1) for line in head.splitlines() if " " in line)
    seconds, zone = lines["committer"].rsplit(" ", 2)[1:]
    minutes = int(zone[-4:-2]) * 60 + int(zone[-2:])
    offset = timedelta(minutes=-minutes if zone.startswith("-") else minutes)
    captured_at = datetime.fromtimestamp(int(seconds), UTC).astimezone(timezone(offset)).isoformat()
    return CommitText(tree=lines["tree"], captured_at=captured_at, message=message)
