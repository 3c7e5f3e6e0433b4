"""What one commit appended to the log, as it is published."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import attrs

from ..contracts.events import PersistedEvent


@attrs.frozen
class Batch:
    """Events that were committed together, and about how many bytes they have."""

    events: Sequence[PersistedEvent]
    size: int


NOTHING: Final = Batch((), 0)


def joined(batches: Iterable[Batch]) -> Batch:
    """Batches that follow on each other, as one."""
    ordered = list(batches)
    return Batch(tuple(event for batch in ordered for event in batch.events), sum(batch.size for batch in ordered))
