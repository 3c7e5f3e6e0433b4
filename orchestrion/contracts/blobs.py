"""Blobs: bytes that are named by their content, so that a name can never stand for other bytes. Pure."""

from __future__ import annotations

import hashlib
import re
from typing import Final

import attrs

from .values import Digest

_ALGORITHM: Final = "sha256:"
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)


@attrs.frozen(kw_only=True)
class Blob:
    """Bytes and their digest."""

    digest: Digest
    content: bytes = attrs.field(repr=False)


def blob_of(content: bytes) -> Blob:
    return Blob(digest=digest_of(content), content=content)


def digest_of(content: bytes) -> Digest:
    return Digest(_ALGORITHM + hashlib.sha256(content).hexdigest())


def hexadecimal(digest: Digest) -> str:
    """The 64 hexadecimal digits of a digest."""
    return digest.removeprefix(_ALGORITHM)


def digest_of_hexadecimal(digits: str) -> Digest | None:
    """The digest with these hexadecimal digits; None where they are not those of a digest."""
    text = _ALGORITHM + digits
    return Digest(text) if is_digest(text) else None


def is_digest(text: str) -> bool:
    """Whether `text` is a digest: `sha256:` and 64 hexadecimal digits in lower case."""
    return _DIGEST.fullmatch(text) is not None
