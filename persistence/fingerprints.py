"""The fingerprint of a command in the metadata of its first event, which tells a repeat from other content.

Secret answers have no part in it, since the digest of a short secret would give it away.
"""

from __future__ import annotations

import attrs

from ..contracts.admission import fingerprint_of
from ..contracts.events import NO_METADATA, EventMetadata, PersistedEvent
from ..domain.answers import stored_like
from ..domain.decision import DraftEvent
from .command_envelope import CommandEnvelope


def fingerprinted(envelope: CommandEnvelope, first: DraftEvent) -> EventMetadata:
    """The metadata of a command's first event."""
    fingerprint = envelope.fingerprint
    if first.withheld:
        fingerprint = fingerprint_of(stored_like(envelope.command, first.payload))
    if envelope.metadata == NO_METADATA:  # a client's, and in half the time
        return EventMetadata(command_fingerprint=fingerprint)
    return attrs.evolve(envelope.metadata, command_fingerprint=fingerprint)


def has_content_of(envelope: CommandEnvelope, first: PersistedEvent) -> bool:
    """Whether a command is the one that led to this event. Secret answers are not compared."""
    stored = first.metadata.command_fingerprint
    return stored in (envelope.fingerprint, fingerprint_of(stored_like(envelope.command, first.payload)))
