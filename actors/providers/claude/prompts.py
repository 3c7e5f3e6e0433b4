"""A turn as a user message of Claude Code. Pure."""

from __future__ import annotations

from collections.abc import AsyncIterator

from ....contracts.values import Attachment, JsonObject
from ..adapter import TurnRequest
from ..attached_files import PDF, base64_of, is_image, text_of_file, unacceptable, with_name
from .history import prompt_id

__all__ = ["prompt_of", "single_message"]


def prompt_of(turn: TurnRequest) -> JsonObject:
    """The user message that hands a turn over. Its uuid is derived from the turn's id.

    Raises:
        ProviderProtocolError: a file is no image, no PDF and no text.
    """
    content = [*map(_block, turn.attachments), {"type": "text", "text": turn.text}]
    message = {"role": "user", "content": content}
    return {"type": "user", "uuid": prompt_id(turn.turn_id), "message": message, "parent_tool_use_id": None}


def _block(attachment: Attachment) -> JsonObject:
    """An attachment as a content block of the Messages API."""
    source = {"type": "base64", "media_type": attachment.mime_type, "data": base64_of(attachment)}
    if is_image(attachment):
        return {"type": "image", "source": source}
    if attachment.mime_type == PDF:
        return {"type": "document", "title": attachment.name, "source": source}
    text = text_of_file(attachment)
    if text is None:
        raise unacceptable(attachment)
    return {"type": "text", "text": with_name(attachment, text)}


async def single_message(message: JsonObject) -> AsyncIterator[JsonObject]:
    """A stream of one message, as the SDK's client takes it."""
    yield message
