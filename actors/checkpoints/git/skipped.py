"""What a capture could not take in, and why: it stands in the capture's commit, because absent is not "not there".

A revert neither removes nor changes what stands at or below a path that was skipped, then or now. So a list that is too
long to keep is shortened by naming the directories above instead.
"""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Literal, TypeAlias, get_args
from urllib.parse import quote, unquote_to_bytes

import attrs

SkipReason: TypeAlias = Literal[
    "unreadable",
    "path-too-long",
    "special-file",
    "name-refused",
    "changed-meanwhile",
    "repository-without-commit",
    "nested-repository",
    "too-large",
    "foreign",
    "several",
]
"""`special-file`: a socket, a pipe or a device. `name-refused`: git takes no such name. `foreign`: of another
runtime's database. `several`: more paths than are kept lie below. Of a `nested-repository` the tree has the commit, of
what is `too-large` the size."""

_REASONS: Final[Mapping[str, SkipReason]] = {reason: reason for reason in get_args(SkipReason)}
_IN_THE_TREE: Final = frozenset({"nested-repository", "too-large"})

_MOST_PATHS: Final = 2000
_MOST_BYTES: Final = 256 * 1024
_LINE: Final = "skipped "


def reason_of(fault: OSError) -> SkipReason | None:
    """Why what a system call refused is skipped; None where nothing is there any more."""
    if fault.errno in (errno.ENOENT, errno.ENOTDIR):
        return None
    return "path-too-long" if fault.errno == errno.ENAMETOOLONG else "unreadable"


@attrs.frozen
class SkippedPaths:
    """The paths that a capture skipped, from the top of the work tree, each with its reason."""

    reasons: Mapping[bytes, SkipReason] = attrs.field(factory=dict)

    def __bool__(self) -> bool:
        return bool(self.reasons)

    def __or__(self, other: SkippedPaths) -> SkippedPaths:
        return SkippedPaths({**self.reasons, **other.reasons})

    @property
    def unknown(self) -> frozenset[bytes]:
        """Those of which the tree has nothing."""
        return frozenset(path for path, reason in self.reasons.items() if reason not in _IN_THE_TREE)

    @property
    def counts(self) -> dict[str, int]:
        """How many were skipped for each reason, most frequent first."""
        return dict(Counter(self.reasons.values()).most_common())

    def only(self, *reasons: SkipReason) -> frozenset[bytes]:
        return frozenset(path for path, reason in self.reasons.items() if reason in reasons)

    def shortened(self) -> SkippedPaths:
        """These, or the directories above them where there are too many to keep."""
        reasons = dict(self.reasons)
        while len(reasons) > _MOST_PATHS or sum(map(len, reasons)) > _MOST_BYTES:
            deepest = max(path.count(b"/") + bool(path) for path in reasons)
            for path in [one for one in reasons if one.count(b"/") + bool(one) == deepest]:
                del reasons[path]
                reasons[path.rpartition(b"/")[0]] = "several"
        return SkippedPaths(reasons)

    def lines(self) -> str:
        """The lines of a commit's text that keep these paths."""
        return "".join(f"{_LINE}{reason} {quote(path, safe='/')}\n" for path, reason in sorted(self.reasons.items()))

    @classmethod
    def read(cls, lines: Iterable[str]) -> SkippedPaths:
        """What `lines` wrote. An unknown reason, of a later version, is read as `unreadable`."""
        return cls(dict(_read(lines)))


def _read(lines: Iterable[str]) -> Iterator[tuple[bytes, SkipReason]]:
    for line in lines:
        if line.startswith(_LINE):
            reason, _, path = line.removeprefix(_LINE).partition(" ")
            yield unquote_to_bytes(path), _REASONS.get(reason, "unreadable")


def is_in_any(path: bytes, places: frozenset[bytes]) -> bool:
    """Whether `path` is one of `places` or lies below one; the empty place has everything below it."""
    if not places:
        return False
    if path in places or b"" in places:
        return True
    position = path.find(b"/")
    while position >= 0:
        if path[:position] in places:
            return True
        position = path.find(b"/", position + 1)
    return False
