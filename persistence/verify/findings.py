"""What a verification found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, Literal, TypeAlias

import attrs

Check: TypeAlias = Literal[
    "integrity", "schema", "sequences", "streams", "receipts", "orphans", "positions", "attachments", "payloads", "rows"
]

LISTED_PER_CHECK: Final = 20


@attrs.frozen(kw_only=True)
class Finding:
    """One rule that the database breaks: where, and what is wrong there.

    `projector` names the projector whose rebuild repairs it; where it is None, nothing in the database can.
    """

    check: Check
    where: str
    fault: str
    projector: str | None = None


@attrs.frozen(kw_only=True)
class VerifyReport:
    """All findings, in the order of the checks. `left_out` names checks that damage found before made pointless.

    `open_intents` counts what was asked for and has no outcome yet: queued turns, and what a runtime is about to do.
    """

    head: int
    findings: tuple[Finding, ...]
    left_out: tuple[Check, ...]
    open_intents: int = 0

    @property
    def repairable(self) -> tuple[str, ...]:
        """The projectors whose rebuild repairs findings, in the order of the findings."""
        return tuple(dict.fromkeys(one.projector for one in self.findings if one.projector is not None))


def listed(findings: Iterable[Finding]) -> Iterator[Finding]:
    """The first findings of a check; when there are more, the last one notes it."""
    remaining = iter(findings)
    yield from islice(remaining, LISTED_PER_CHECK)
    further = next(remaining, None)
    if further is not None:
        yield attrs.evolve(further, fault=f"{further.fault}; further ones are not listed")
