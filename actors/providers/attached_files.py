"""The files of a turn, as agents accept them that have no word for files: text as text, with its name. Pure."""

from __future__ import annotations

import base64
from typing import Final

from ...contracts.errors import ProviderProtocolError
from ...contracts.values import Attachment

__all__ = ["PDF", "base64_of", "content_of", "is_image", "text_of_file", "unacceptable", "with_name"]

PDF: Final = "application/pdf"


def is_image(attachment: Attachment) -> bool:
    return attachment.type == "image"


def base64_of(attachment: Attachment) -> str:
    """The bytes of an attachment in base64, as its data URL has them."""
    return attachment.data_url.partition(",")[2]


def content_of(attachment: Attachment) -> bytes:
    return base64.b64decode(base64_of(attachment))


def text_of_file(attachment: Attachment) -> str | None:
    """The text of a file, where it is text in UTF-8 whatever its type; else None."""
    try:
        text = content_of(attachment).decode()
    except (UnicodeDecodeError, ValueError):
        return None
    return None if "\0" in text or attachment.mime_type == PDF else text


def with_name(attachment: Attachment, text: str) -> str:
    """A file's text as part of a prompt."""
    return f'<file name="{attachment.name.replace(chr(34), chr(39))}">\n{text}\n</file>'


def unacceptable(attachment: Attachment) -> ProviderProtocolError:
    """The error for a file that the agent does not accept."""
    return ProviderProtocolError(
        f"the agent does not accept files of type {attachment.mime_type}: leave {attachment.name!r} out, or put it into"
        " the workspace"
    )
