"""A turn's text and images as the content of an ACP prompt. Pure."""

from __future__ import annotations

from ....contracts.errors import ProviderProtocolError
from ....contracts.values import JsonObject
from ..adapter import SteerRequest, TurnRequest

__all__ = ["prompt_of"]


def prompt_of(turn: TurnRequest | SteerRequest, *, takes_images: bool) -> list[JsonObject]:
    """Raises: ProviderProtocolError: the turn has images, and the agent does not accept images."""
    if turn.attachments and not takes_images:
        raise ProviderProtocolError("the agent does not accept images: leave the attachments out")
    images = [
        {"type": "image", "mimeType": image.mime_type, "data": image.data_url.partition(",")[2]}
        for image in turn.attachments
    ]
    return [{"type": "text", "text": turn.text}, *images]
