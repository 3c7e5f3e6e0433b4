"""Checks that an attachment of a new message matches its stated type and size. Older logs are not checked.

An agent is given the type and the bytes as given here, and refuses what does not fit in its own words, in the
middle of a turn. So a message whose attachments do not fit is refused before it is a message.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

from .values import Attachment

_DATA_URL: Final = re.compile(r"data:(?P<type>[^;,]*)(?:;(?!base64,)[^;,]+)*;base64,")
_MIME_TYPE: Final = re.compile(r"image/[A-Za-z0-9!#$&^_.+-]+")
_ALIASES: Final = {"image/jpg": "image/jpeg"}
_LONGEST_SIGNATURE: Final = 12


def attachment_fault(attachment: Attachment) -> tuple[str, str] | None:
    """The field of an attachment that does not fit the others, and what is wrong; None where they fit.

    The data URL is base64 with padding and names the attachment's type; its bytes are `sizeBytes` many, at least one;
    and where they begin as a PNG, JPEG, GIF or WebP file does, or the type is one of these, both are the same.
    """
    stated = attachment.mime_type.lower()
    if _MIME_TYPE.fullmatch(stated) is None:
        return "mimeType", f"{attachment.mime_type[:80]!r} is no media type"
    opening = _DATA_URL.match(attachment.data_url)
    if opening is None:
        return "dataUrl", "expected data:<type>;base64,<data>"
    if opening["type"].lower() != stated:
        return "dataUrl", f"its type is {opening['type'][:80]!r}, mimeType is {attachment.mime_type!r}"
    try:
        content = base64.b64decode(attachment.data_url[opening.end() :], validate=True)
    except (binascii.Error, ValueError) as error:
        return "dataUrl", f"its data is not base64: {error}"
    if not content:
        return "dataUrl", "it has no data"
    if len(content) != attachment.size_bytes:
        return "sizeBytes", f"is {attachment.size_bytes}, the data has {len(content)} bytes"
    found, expected = _signature(content[:_LONGEST_SIGNATURE]), _ALIASES.get(stated, stated)
    if found != expected and (found is not None or expected in _SIGNED):
        return "dataUrl", f"mimeType is {attachment.mime_type!r}, the data is {found or 'something else'}"
    return None


_SIGNED: Final = ("image/png", "image/jpeg", "image/gif", "image/webp")


def _signature(beginning: bytes) -> str | None:
    """The type of image that begins with these bytes, where it is one of the four."""
    match beginning:
        case _ if beginning.startswith(b"\x89PNG\r\n\x1a\n"):
            return "image/png"
        case _ if beginning.startswith(b"\xff\xd8\xff"):
            return "image/jpeg"
        case _ if beginning.startswith((b"GIF87a", b"GIF89a")):
            return "image/gif"
        case _ if beginning[:4] == b"RIFF" and beginning[8:12] == b"WEBP":
            return "image/webp"
        case _:
            return None
