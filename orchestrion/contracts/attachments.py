"""An attachment of a new message: its content is read and checked before anything is decided. Older logs are not
checked.

An agent is given the type and the bytes as given here, and refuses what does not fit in its own words, in the
middle of a turn. So a message whose attachments do not fit is refused before it is a message.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

import attrs

from .blobs import Blob, blob_of
from .errors import InvalidRequest
from .values import (
    MAX_ATTACHMENT_BYTES,
    Attachment,
    AttachmentName,
    AttachmentSize,
    DataUrl,
    MediaType,
    StoredAttachment,
    UserMessage,
)

_DATA_URL: Final = re.compile(r"data:(?P<type>[^;,]*)(?:;(?!base64,)[^;,]+)*;base64,")
_MIME_TYPE: Final = re.compile(r"(?:[a-z0-9!#$&^_.+-]{1,127})/(?:[a-z0-9!#$&^_.+-]{1,127})")
_IMAGE: Final = "image/"
_PDF: Final = b"%PDF-"
_ALIASES: Final = {"image/jpg": "image/jpeg"}


class AttachmentInvalid(ValueError):
    """An attachment does not fit together. `field` is the JSON path of what is at fault, below the message."""

    def __init__(self, field: str, fault: str) -> None:
        super().__init__(fault)
        self.field = field


def attachment_of(content: bytes, *, name: str, mime_type: str | None = None) -> Attachment:
    """An attachment with this content, ready for a `UserMessage`: an image, or else a file.

    Without `mime_type`, the content decides: PNG, JPEG, GIF, WebP, PDF, text in UTF-8, else `application/octet-stream`.

    Raises:
        InvalidRequest: the content is empty or over 10 MiB.
    """
    if not 0 < len(content) <= MAX_ATTACHMENT_BYTES:
        raise InvalidRequest("content", f"expected 1 to {MAX_ATTACHMENT_BYTES} bytes, found {len(content)}")
    media_type = mime_type or image_type(content) or _file_type(content)
    return Attachment(
        type="image" if media_type.startswith(_IMAGE) else "file",
        name=AttachmentName(name),
        mime_type=MediaType(media_type),
        size_bytes=AttachmentSize(len(content)),
        data_url=inline_content(media_type, content),
    )


def inline_content(mime_type: str, content: bytes) -> DataUrl:
    """The `data:` URL of these bytes."""
    return DataUrl(f"data:{mime_type};base64,{base64.b64encode(content).decode()}")


def take_contents_out(message: UserMessage) -> tuple[UserMessage, tuple[Blob, ...]]:
    """The message with its attachments as they are stored, and their contents.

    Raises:
        AttachmentInvalid: an attachment does not fit together, or names stored bytes instead of having its own.
    """
    stored: list[StoredAttachment] = []
    blobs: list[Blob] = []
    for number, attachment in enumerate(message.attachments):
        path = f"message.attachments[{number}]"
        if isinstance(attachment, StoredAttachment):
            raise AttachmentInvalid(f"{path}.digest", "only events name stored bytes: send them as dataUrl")
        try:
            blob = blob_of(_content_of(attachment))
        except AttachmentInvalid as error:
            raise AttachmentInvalid(f"{path}.{error.field}", str(error)) from None
        blobs.append(blob)
        stored.append(
            StoredAttachment(
                type=attachment.type,
                name=attachment.name,
                mime_type=attachment.mime_type,
                size_bytes=attachment.size_bytes,
                digest=blob.digest,
            )
        )
    return attrs.evolve(message, attachments=tuple(stored)), tuple(blobs)


def _content_of(attachment: Attachment) -> bytes:
    """The bytes of an attachment.

    The data URL is base64 with padding and names the attachment's type; its bytes are `sizeBytes` many, at least one;
    and where an image begins as a PNG, JPEG, GIF or WebP file does, or its type is one of these, both are the same.

    Raises:
        AttachmentInvalid: they are not.
    """
    stated = attachment.mime_type.lower()
    if _MIME_TYPE.fullmatch(stated) is None:
        raise AttachmentInvalid("mimeType", f"{attachment.mime_type[:80]!r} is no media type")
    if stated.startswith(_IMAGE) != (attachment.type == "image"):
        raise AttachmentInvalid("type", f"is {attachment.type!r}, mimeType is {attachment.mime_type!r}")
    opening = _DATA_URL.match(attachment.data_url)
    if opening is None:
        raise AttachmentInvalid("dataUrl", "expected data:<type>;base64,<data>")
    if opening["type"].lower() != stated:
        raise AttachmentInvalid(
            "dataUrl", f"its type is {opening['type'][:80]!r}, mimeType is {attachment.mime_type!r}"
        )
    try:
        content = base64.b64decode(attachment.data_url[opening.end() :], validate=True)
    except (binascii.Error, ValueError) as error:
        raise AttachmentInvalid("dataUrl", f"its data is not base64: {error}") from None
    if not content:
        raise AttachmentInvalid("dataUrl", "it has no data")
    if len(content) != attachment.size_bytes:
        raise AttachmentInvalid("sizeBytes", f"is {attachment.size_bytes}, the data has {len(content)} bytes")
    found, expected = image_type(content), _ALIASES.get(stated, stated)
    if attachment.type == "image" and found != expected and (found is not None or expected in _SIGNED):
        raise AttachmentInvalid(
            "dataUrl", f"mimeType is {attachment.mime_type!r}, the data is {found or 'something else'}"
        )
    return content


_SIGNED: Final = ("image/png", "image/jpeg", "image/gif", "image/webp")


def _file_type(content: bytes) -> str:
    if content.startswith(_PDF):
        return "application/pdf"
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return "application/octet-stream"
    return "application/octet-stream" if "\0" in text else "text/plain"


def image_type(content: bytes) -> str | None:
    """The type of an image, where it begins as a PNG, JPEG, GIF or WebP file does."""
    match content:
        case _ if content.startswith(b"\x89PNG\r\n\x1a\n"):
            return "image/png"
        case _ if content.startswith(b"\xff\xd8\xff"):
            return "image/jpeg"
        case _ if content.startswith((b"GIF87a", b"GIF89a")):
            return "image/gif"
        case _ if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
            return "image/webp"
        case _:
            return None
