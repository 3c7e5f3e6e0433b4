"""An agent's own ids as they may be kept: of bounded length, and still told apart. Pure."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from .json_lines import loose_json

__all__ = ["bounded_id", "message_id_of"]

_MAX_ID: Final = 256


def bounded_id(identity: str) -> str:
    """An agent's id, or its beginning and a digest where it is long."""
    if len(identity) <= _MAX_ID:
        return identity
    return f"{identity[:64]}…{hashlib.blake2b(identity.encode('utf-8', 'replace'), digest_size=16).hexdigest()}"


def message_id_of(value: Any) -> str | None:
    """What a chunk names its message, as a text to compare. It should be text, but an agent may send anything."""
    if value is None:
        return None
    return bounded_id(value if isinstance(value, str) else loose_json(value).decode())
