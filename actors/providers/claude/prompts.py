"""A turn as a user message of Claude Code. Pure."""

from __future__ import annotations

from collections.abc import AsyncIterator

from ....contracts.values import JsonObject
from ..adapter import TurnRequest
from .history import prompt_id

__all__ = ["prompt_of", "single_message"]


def prompt_of(turn: TurnRequest) -> JsonObject:
    """The user message that hands a turn over. Its uuid is derived from the turn's id."""
    images = [
        {
            "type": "image",
            "source": {"type": "base64", "media_type": image.mime_type, "data": image.data_url.partition(",")[2]},
        }
        for image in turn.attachments
    ]
    content = [*images, {"type": "text", "text": turn.text}]
    message = {"role": "user", "content": content}
    return {"type": "user", "uuid": prompt_id(turn.turn_id), "message": message, "parent_tool_use_id": None}


async def single_message(message: JsonObject) -> AsyncIterator[JsonObject]:
    """A stream of one message, as the SDK's client takes it."""
    yield message
