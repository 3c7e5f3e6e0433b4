"""An admitted command with what its sender knows beside it."""

from __future__ import annotations

from typing import Self

import attrs

from ..contracts.admission import AdmittedCommand
from ..contracts.blobs import Blob
from ..contracts.commands import Command
from ..contracts.events import NO_METADATA, EventMetadata
from ..contracts.ids import CommandId, EventId
from ..contracts.values import ActorKind, Label


@attrs.frozen(kw_only=True)
class CommandEnvelope:
    """An admitted command with what its sender knows beside it. `size` is in bytes, as JSON.

    `blobs` are stored before the events of the command, which refer to them.
    """

    command: Command
    fingerprint: Label
    size: int
    actor: ActorKind
    expected_version: int | None = None
    caused_by: EventId | None = None
    correlation_id: CommandId | None = None
    metadata: EventMetadata = NO_METADATA
    blobs: tuple[Blob, ...] = ()

    @property
    def held_size(self) -> int:
        """How many bytes it takes while it waits."""
        return self.size + sum(len(blob.content) for blob in self.blobs)

    @classmethod
    def of(
        cls,
        admitted: AdmittedCommand,
        actor: ActorKind,
        *,
        expected_version: int | None = None,
        caused_by: EventId | None = None,
        correlation_id: CommandId | None = None,
        metadata: EventMetadata = NO_METADATA,
        blobs: tuple[Blob, ...] = (),
    ) -> Self:
        """The envelope of a command that was admitted from `actor`, with `blobs` beside those of its own."""
        return cls(
            command=admitted.command,
            fingerprint=admitted.fingerprint,
            size=admitted.size,
            actor=actor,
            expected_version=expected_version,
            caused_by=caused_by,
            correlation_id=correlation_id,
            metadata=metadata,
            blobs=(*admitted.blobs, *blobs),
        )
