"""Images in an agent's messages: a content block of its protocol becomes an event with the bytes. Pure."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any, Final

from ...contracts.attachments import image_type
from ...contracts.ids import ProviderItemId
from ...contracts.provider_events import AttachmentProduced, SessionNotice
from ...contracts.values import JsonObject
from .loose_json import object_of, text_of

__all__ = ["image_of", "images_in", "without_image"]

_MEDIA_TYPE: Final = re.compile(r"image/[A-Za-z0-9!#$&^_.+-]{1,100}")
_BYTES: Final = ("data", "source", "resource", "imageUrl", "image_url")
_DATA_URL: Final = re.compile(r"data:(?P<type>[^;,]{1,120});base64,")


def image_of(
    data: str, media_type: str, *, item: ProviderItemId | None, name: str = ""
) -> AttachmentProduced | SessionNotice:
    """The event for an image in base64; a notice where it is none, as after a long line was shortened."""
    if _MEDIA_TYPE.fullmatch(media_type) is None:
        return _unreadable(media_type, "its type is no image's")
    try:
        content = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return _unreadable(media_type, "it is not whole")
    if not content:
        return _unreadable(media_type, "it is empty")
    shown = image_type(content) or media_type
    return AttachmentProduced(item=item, name=name, media_type=shown, content=content)


def images_in(block: Any, *, item: ProviderItemId | None) -> tuple[AttachmentProduced | SessionNotice, ...]:
    """The image of a content block, as the Model Context Protocol and those like it write one; none of other blocks."""
    match object_of(block):
        case {"type": "image", "data": str(data), "mimeType": str(media_type)}:
            return (image_of(data, media_type, item=item),)
        case {"type": "image", "source": {"type": "base64", "media_type": str(media_type), "data": str(data)}}:
            return (image_of(data, media_type, item=item),)
        case {"type": "resource", "resource": {"blob": str(data), "mimeType": str(media_type)} as resource}:
            if not media_type.startswith("image/"):
                return ()
            return (image_of(data, media_type, item=item, name=_name(resource)),)
        case {"imageUrl": str(url)} | {"image_url": str(url)}:
            opening = _DATA_URL.match(url)
            return () if opening is None else (image_of(url[opening.end() :], opening["type"], item=item),)
        case _:
            return ()


def without_image(block: Any) -> Any:
    """A content block without the bytes of its image; any other block as it is."""
    if not images_in(block, item=None):
        return block
    return {key: value for key, value in object_of(block).items() if key not in _BYTES}


def _name(resource: JsonObject) -> str:
    return text_of(resource.get("uri")).rpartition("/")[2]


def _unreadable(media_type: str, fault: str) -> SessionNotice:
    return SessionNotice(
        kind="session.notice",
        summary=f"An image of the agent was left out: {fault}",
        detail={"mediaType": media_type[:100]},
    )
