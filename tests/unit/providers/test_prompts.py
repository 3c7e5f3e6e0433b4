"""The images and files of a turn, in the words of each agent."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from orchestrion.actors.providers.acp import prompts as acp
from orchestrion.actors.providers.adapter import TurnRequest
from orchestrion.actors.providers.claude import prompts as claude
from orchestrion.actors.providers.codex.inputs import input_of
from orchestrion.contracts.attachments import attachment_of
from orchestrion.contracts.errors import ProviderProtocolError
from orchestrion.contracts.values import Attachment
from tests.support.builders import PIXEL, image

NOTES = attachment_of(b"heron", name='my "notes".txt')
PAPER = attachment_of(b"%PDF-1.7", name="paper.pdf")
BINARY = attachment_of(b"\x00", name="a.bin")
INLINE = "<file name=\"my 'notes'.txt\">\nheron\n</file>"


def acp_prompt(*attachments: Attachment, takes_images: bool = True, takes_resources: bool = True) -> list[Any]:
    turn = TurnRequest(text="look", attachments=attachments)
    return acp.prompt_of(turn, takes_images=takes_images, takes_resources=takes_resources)


@pytest.mark.spec("E81")
def test_acp_agent_gets_images_and_embedded_files_after_the_text() -> None:
    text, picture, notes, paper = acp_prompt(image(), NOTES, PAPER)
    assert text == {"type": "text", "text": "look"}
    assert picture == {"type": "image", "mimeType": "image/png", "data": PIXEL}
    uri = "attachment:///my%20%22notes%22.txt"
    assert notes == {"type": "resource", "resource": {"uri": uri, "mimeType": "text/plain", "text": "heron"}}
    blob = base64.b64encode(b"%PDF-1.7").decode()
    assert paper["resource"] == {"uri": "attachment:///paper.pdf", "mimeType": "application/pdf", "blob": blob}


@pytest.mark.spec("E81")
def test_acp_agent_without_embedded_files_gets_text_files_as_text() -> None:
    assert acp_prompt(NOTES, takes_resources=False)[1] == {"type": "text", "text": INLINE}
    with pytest.raises(ProviderProtocolError, match="does not accept files of type application/pdf"):
        acp_prompt(PAPER, takes_resources=False)


def test_acp_agent_without_images_refuses_them() -> None:
    with pytest.raises(ProviderProtocolError, match="does not accept images"):
        acp_prompt(image(), takes_images=False)


@pytest.mark.spec("E81")
def test_claude_gets_images_documents_and_text() -> None:
    message = claude.prompt_of(TurnRequest(text="look", attachments=(image(), PAPER, NOTES)))["message"]
    picture, paper, notes, text = message["content"]
    assert picture["source"] == {"type": "base64", "media_type": "image/png", "data": PIXEL}
    assert (paper["type"], paper["title"], paper["source"]["media_type"]) == (
        "document",
        "paper.pdf",
        "application/pdf",
    )
    assert notes == {"type": "text", "text": INLINE}
    assert text == {"type": "text", "text": "look"}


@pytest.mark.spec("E81")
def test_codex_gets_images_and_text() -> None:
    assert input_of(image()) == {"type": "image", "url": image().data_url}
    assert input_of(NOTES) == {"type": "text", "text": INLINE}


@pytest.mark.spec("E81")
def test_file_that_an_agent_does_not_accept_is_refused_with_advice() -> None:
    with pytest.raises(ProviderProtocolError, match="put it into the workspace"):
        claude.prompt_of(TurnRequest(text="look", attachments=(BINARY,)))
    for file in (BINARY, PAPER):
        with pytest.raises(ProviderProtocolError, match="put it into the workspace"):
            input_of(file)
