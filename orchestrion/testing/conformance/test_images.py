"""Images: those of a turn reach the agent, and those of the agent are reported with their bytes."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Final

import pytest
from anyio import to_thread

from ...actors.providers.adapter import TurnRequest
from ...contracts.attachments import attachment_of
from ...contracts.provider_events import AttachmentProduced, ToolStarted, TurnCompleted
from .case import ProviderCase
from .reading import session

pytestmark = pytest.mark.anyio

_PIXEL: Final = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
"""A PNG of one pixel."""


@pytest.mark.rule("images-pass")
async def test_image_of_a_turn_reaches_the_agent(case: ProviderCase, workspace: Path) -> None:
    image = attachment_of(base64.b64decode(_PIXEL), name="pixel.png")
    prompt = case.see_images()
    async with session(case.provider, workspace) as read:
        await read.connection.start_turn(TurnRequest(text=prompt, attachments=(image,)))
        assert (await read.until(TurnCompleted)).outcome == "completed"
        assert "images: 1" in read.text()


@pytest.mark.rule("images-pass")
async def test_image_of_the_agent_is_reported_once_with_its_bytes(case: ProviderCase, workspace: Path) -> None:
    prompt = case.show_image("pixel.png")
    await to_thread.run_sync((workspace / "pixel.png").write_bytes, base64.b64decode(_PIXEL))
    async with session(case.provider, workspace) as read:
        assert (await read.turn(prompt)).outcome == "completed"
        (image,) = read.of(AttachmentProduced)
        assert image.media_type == "image/png"
        assert image.content.startswith(b"\x89PNG")
        assert image.item in {event.item for event in read.of(ToolStarted)}
        shown = base64.b64encode(image.content).decode()
        assert [event for event in read.events if event is not image and shown in str(event)] == []
