"""Attachments made of bytes: their type is that of the content."""

from __future__ import annotations

import base64

import pytest

from orchestrion.contracts.admission import admit
from orchestrion.contracts.attachments import attachment_of
from orchestrion.contracts.errors import InvalidRequest
from orchestrion.contracts.values import MAX_ATTACHMENT_BYTES
from tests.support.builders import PIXEL, turn_start


@pytest.mark.spec("E81")
@pytest.mark.parametrize(
    ("content", "kind", "media_type"),
    [
        (base64.b64decode(PIXEL), "image", "image/png"),
        (b"\xff\xd8\xff\xe0", "image", "image/jpeg"),
        (b"%PDF-1.7", "file", "application/pdf"),
        ("h\u00e9ron".encode(), "file", "text/plain"),
        (b"\x00\x01", "file", "application/octet-stream"),
        (b"\xff\xfe", "file", "application/octet-stream"),
    ],
)
def test_content_decides_the_type(content: bytes, kind: str, media_type: str) -> None:
    made = attachment_of(content, name="a")
    assert (made.type, made.mime_type, made.size_bytes) == (kind, media_type, len(content))
    (blob,) = admit(turn_start(attachments=(made,)), "client").blobs
    assert blob.content == content


def test_given_type_is_kept() -> None:
    made = attachment_of(b"{}", name="a.json", mime_type="application/json")
    assert (made.type, made.mime_type) == ("file", "application/json")


@pytest.mark.parametrize("size", [0, MAX_ATTACHMENT_BYTES + 1])
def test_content_out_of_bounds_is_refused(size: int) -> None:
    with pytest.raises(InvalidRequest):
        attachment_of(bytes(size), name="a")
