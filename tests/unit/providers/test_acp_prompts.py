"""The content of an ACP prompt."""

from __future__ import annotations

import pytest

from orchestrion.actors.providers.acp.prompts import prompt_of
from orchestrion.actors.providers.adapter import TurnRequest
from orchestrion.contracts.errors import ProviderProtocolError
from tests.support.builders import PIXEL, image

TURN = TurnRequest(text="look", attachments=(image(),))


def test_images_follow_the_text() -> None:
    assert prompt_of(TURN, takes_images=True) == [
        {"type": "text", "text": "look"},
        {"type": "image", "mimeType": "image/png", "data": PIXEL},
    ]


def test_images_for_an_agent_that_takes_none_are_refused() -> None:
    with pytest.raises(ProviderProtocolError, match="does not accept images"):
        prompt_of(TURN, takes_images=False)
