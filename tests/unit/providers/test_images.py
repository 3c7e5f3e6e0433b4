"""Images in the messages of agents: which blocks have one, and what is reported of it."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from orchestrion.actors.providers.acp.protocol import AcpConversation
from orchestrion.actors.providers.claude.tools import ToolUse, ToolUses
from orchestrion.actors.providers.codex.items import take_images_out
from orchestrion.actors.providers.images import images_in, without_image
from orchestrion.contracts.ids import ProviderItemId, ProviderThreadId
from orchestrion.contracts.provider_events import (
    AttachmentProduced,
    MessageDelta,
    ProviderRuntimeEvent,
    SessionNotice,
    ToolCompleted,
    ToolStarted,
)
from tests.support.builders import PIXEL
from tests.support.conversations import through_json

ITEM = ProviderItemId("i")
CONTENT = base64.b64decode(PIXEL)
IMAGE = {"type": "image", "mimeType": "image/png", "data": PIXEL}
PRODUCED = AttachmentProduced(item=ITEM, media_type="image/png", content=CONTENT)


@pytest.mark.spec("E89")
@pytest.mark.parametrize(
    "block",
    [
        IMAGE,
        {**IMAGE, "mimeType": "image/jpeg"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
        {"type": "inputImage", "imageUrl": f"data:image/png;base64,{PIXEL}"},
        {"type": "resource", "resource": {"uri": "", "mimeType": "image/png", "blob": PIXEL}},
    ],
)
def test_block_with_an_image_gives_its_bytes_and_their_own_type(block: dict[str, Any]) -> None:
    assert images_in(block, item=ITEM) == (PRODUCED,)
    assert PIXEL not in str(without_image(block))


@pytest.mark.parametrize(
    "block",
    [
        None,
        "text",
        {"type": "text", "text": PIXEL},
        {"type": "image", "data": 7, "mimeType": "image/png"},
        {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}},
        {"type": "inputImage", "imageUrl": "https://example.org/a.png"},
        {"type": "resource", "resource": {"uri": "a.bin", "mimeType": "application/x-raw", "blob": PIXEL}},
    ],
)
def test_block_without_bytes_of_an_image_gives_none(block: Any) -> None:
    assert images_in(block, item=ITEM) == ()
    assert without_image(block) == block


@pytest.mark.spec("E89")
@pytest.mark.parametrize(
    "changed",
    [{"data": f"{PIXEL[:-2]}... [cut: 7 characters]"}, {"data": ""}, {"mimeType": "text/html"}, {"mimeType": "image/"}],
)
def test_image_that_cannot_be_read_is_a_notice(changed: dict[str, str]) -> None:
    (notice,) = images_in({**IMAGE, **changed}, item=ITEM)
    assert isinstance(notice, SessionNotice)
    assert "was left out" in notice.summary


class Talk:
    """An ACP conversation in a turn."""

    def __init__(self) -> None:
        begun, _ = AcpConversation(session_id=ProviderThreadId("s")).begin_turn()
        self.conversation = begun
        self.told: list[ProviderRuntimeEvent] = []

    def update(self, kind: str, **fields: Any) -> None:
        params = {"sessionId": "s", "update": {"sessionUpdate": kind, **fields}}
        conversation, step = self.conversation.take_update(params)
        self.conversation = through_json(conversation)
        self.told += step.events


@pytest.mark.spec("E89")
def test_image_of_an_acp_message_belongs_to_the_message() -> None:
    talk = Talk()
    talk.update("agent_message_chunk", content={"type": "text", "text": "look"})
    talk.update("agent_message_chunk", content=IMAGE)
    delta, image = talk.told
    assert isinstance(delta, MessageDelta)
    assert image == AttachmentProduced(item=delta.item, media_type="image/png", content=CONTENT)


@pytest.mark.spec("E89")
def test_image_of_an_acp_tool_that_repeats_it_is_reported_once() -> None:
    talk = Talk()
    content = [{"type": "content", "content": IMAGE}]
    talk.update("tool_call", toolCallId="t", title="draw", status="pending", content=content)
    talk.update("tool_call_update", toolCallId="t", content=content)
    talk.update("tool_call_update", toolCallId="t", status="completed", content=content)
    started, image, completed = talk.told
    assert isinstance(started, ToolStarted)
    assert image == AttachmentProduced(item=started.item, media_type="image/png", content=CONTENT)
    assert isinstance(completed, ToolCompleted)


@pytest.mark.spec("E89")
@pytest.mark.parametrize(
    ("fields", "left"),
    [
        (
            {"type": "imageGeneration", "id": "g", "status": "completed", "result": PIXEL, "savedPath": "/w/a.png"},
            {"type": "imageGeneration", "id": "g", "status": "completed", "savedPath": "/w/a.png"},
        ),
        (
            {"type": "mcpToolCall", "result": {"content": [{"type": "text", "text": "x"}, IMAGE]}},
            {
                "type": "mcpToolCall",
                "result": {"content": [{"type": "text", "text": "x"}, {"type": "image", "mimeType": "image/png"}]},
            },
        ),
        (
            {
                "type": "dynamicToolCall",
                "contentItems": [{"type": "inputImage", "imageUrl": f"data:image/png;base64,{PIXEL}"}],
            },
            {"type": "dynamicToolCall", "contentItems": [{"type": "inputImage"}]},
        ),
    ],
)
def test_image_of_a_codex_tool_leaves_its_detail(fields: dict[str, Any], left: dict[str, Any]) -> None:
    told, (image,) = take_images_out(ITEM, fields)
    assert told == left
    assert isinstance(image, AttachmentProduced)
    assert (image.item, image.content) == (ITEM, CONTENT)
    assert image.name == ("a.png" if "savedPath" in fields else "")


@pytest.mark.parametrize(
    "fields", [{"type": "imageGeneration", "result": ""}, {"type": "imageView", "path": "/w/a.png"}]
)
def test_codex_tool_without_bytes_keeps_its_fields(fields: dict[str, Any]) -> None:
    assert take_images_out(ITEM, fields) == (fields, ())


@pytest.mark.spec("E89")
def test_image_of_a_claude_tool_comes_before_its_end() -> None:
    tools, _ = ToolUses().start(ToolUse.of("toolu_1", "Read", {"file_path": "a.png"}))
    source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
    _, (image, completed) = tools.end("toolu_1", {"content": [{"type": "image", "source": source}]})
    assert isinstance(completed, ToolCompleted)
    assert image == AttachmentProduced(item=completed.item, media_type="image/png", content=CONTENT)
