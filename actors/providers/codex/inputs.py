"""Attachments as the input items of a Codex turn. Pure."""

from __future__ import annotations

from ....contracts.values import Attachment, JsonObject
from ..attached_files import is_image, text_of_file, unacceptable, with_name

__all__ = ["input_of"]


def input_of(attachment: Attachment) -> JsonObject:
    """An image by its data URL, a text file as text.

    Raises:
        ProviderProtocolError: it is neither.
    """
    if is_image(attachment):
        return {"type": "image", "url": attachment.data_url}
    text = text_of_file(attachment)
    if text is None:
        raise unacceptable(attachment)
    return {"type": "text", "text": with_name(attachment, text)}
