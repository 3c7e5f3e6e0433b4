"""What a verification found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, Literal, TypeAlias

import attrs

Check: TypeAlias = Literal["integrity", "schema", "sequences", "streams", "receipts", "positions", "payloads", "rows"]

LISTED_PER_CHECK: Final = 20


@attrs.frozen(kw_only=True)
class Finding:
    """One rule that the database breaks: where, and what is wrong there."""

    check: Check
    where: str
    fault: str


@attrs.frozen(kw_only=True)
class VerifyReport:
    """All findings, in the order of the checks. `left_out` names checks that damage found before made pointless."""

    head: int
    findings: tuple[Finding, ...]
    left_out: tuple[Check, ...]


def listed(findings: Iterable[Finding]) -> Iterator[Finding]:
    """The first findings of a check; when there are more, the last one says so."""
    remaining = iter(findings)
    yield from islice(remaining, LISTED_PER_CHECK)
    further = next(remaining, None)
    if further is not None:
        yield Finding(check=further.check, where=further.where, fault=f"{further.fault}; further ones are not listed")
