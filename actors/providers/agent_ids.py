"""An agent's own ids, shortened where they are long, and still distinct. Pure."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from .json_lines import loose_json

__all__ = ["bounded_id", "message_id_of"]

_MAX_ID: Final = 256


def bounded_id(identity: str) -> str:
    """An agent's id; of a long one its beginning and a digest."""
    if len(identity) <= _MAX_ID:
        return identity
    return f"{identity[:64]}…{hashlib.blake2b(identity.encode('utf-8', 'replace'), digest_size=16).hexdigest()}"


def message_id_of(value: Any) -> str | None:
    """The message id of a chunk as a text to compare. It should be a text, but an agent may send any value."""
    if value is None:
        return None
    return bounded_id(value if isinstance(value, str) else loose_json(value).decode())
