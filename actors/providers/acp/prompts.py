"""A turn's text, images and files as the content of an ACP prompt. Pure."""

from __future__ import annotations

from urllib.parse import quote

from ....contracts.errors import ProviderProtocolError
from ....contracts.values import Attachment, JsonObject
from ..adapter import SteerRequest, TurnRequest
from ..attached_files import base64_of, is_image, text_of_file, unacceptable, with_name

__all__ = ["prompt_of"]


def prompt_of(turn: TurnRequest | SteerRequest, *, takes_images: bool, takes_resources: bool) -> list[JsonObject]:
    """Files are embedded resources; for an agent that does not accept those, text files are text.

    Raises:
        ProviderProtocolError: the turn has an image or a file, and the agent does not accept it.
    """
    images = [one for one in turn.attachments if is_image(one)]
    files = [one for one in turn.attachments if not is_image(one)]
    if images and not takes_images:
        raise ProviderProtocolError("the agent does not accept images: leave the attachments out")
    return [
        {"type": "text", "text": turn.text},
        *({"type": "image", "mimeType": image.mime_type, "data": base64_of(image)} for image in images),
        *(_resource(file) if takes_resources else _text(file) for file in files),
    ]


def _resource(file: Attachment) -> JsonObject:
    text = text_of_file(file)
    content = {"blob": base64_of(file)} if text is None else {"text": text}
    named = {"uri": f"attachment:///{quote(file.name, safe='')}", "mimeType": file.mime_type}
    return {"type": "resource", "resource": {**named, **content}}


def _text(file: Attachment) -> JsonObject:
    text = text_of_file(file)
    if text is None:
        raise unacceptable(file)
    return {"type": "text", "text": with_name(file, text)}
