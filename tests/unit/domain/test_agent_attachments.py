"""Attachments that agents produce: bounded where they enter, then an activity with the bytes beside it."""

from __future__ import annotations

import attrs
import pytest

from orchestrion.contracts.blobs import blob_of
from orchestrion.contracts.commands import ThreadActivityAppend, ThreadMessageAssistantDelta
from orchestrion.contracts.ids import ProviderItemId, ProviderSessionId, ThreadId, TurnId
from orchestrion.contracts.provider_events import AttachmentProduced, MessageDelta, SessionNotice
from orchestrion.contracts.values import MAX_ATTACHMENT_BYTES, MAX_ATTACHMENT_NAME, Label
from orchestrion.domain.attachments import attachments_in
from orchestrion.domain.event_bounds import bounded_event, event_size
from orchestrion.domain.ingest import ingest
from orchestrion.domain.session_commands import IngestState
from tests.support.builders import at

RUNNING = IngestState(
    thread_id=ThreadId("t1"),
    provider_session_id=ProviderSessionId("s1"),
    provider_name=Label("agent"),
    adapter_key=Label("acp"),
    turn_id=TurnId("turn-1"),
)
ITEM = ProviderItemId("item-1")
IMAGE = AttachmentProduced(item=ITEM, media_type="image/svg+xml", content=b"<svg/>")


@pytest.mark.spec("E89")
def test_attachment_is_an_activity_with_its_bytes_beside_it() -> None:
    _, (appended,) = ingest(RUNNING, IMAGE, at(1))
    assert isinstance(appended.command, ThreadActivityAppend)
    activity = appended.command.activity
    assert appended.blobs == (blob_of(b"<svg/>"),)
    assert (activity.kind, activity.summary, activity.turn_id) == ("attachment.stored", "image.svg (6 bytes)", "turn-1")
    assert activity.payload["itemId"] == ITEM
    (view,) = attachments_in({"kind": activity.kind, "payload": activity.payload})
    assert (view.digest, view.size, view.media_type) == (appended.blobs[0].digest, 6, "image/svg+xml")


@pytest.mark.spec("E89")
def test_attachment_within_a_message_names_the_message() -> None:
    state, (delta,) = ingest(RUNNING, MessageDelta(item=ITEM, text="look"), at(1))
    _, (appended,) = ingest(state, attrs.evolve(IMAGE, name="plan.svg"), at(2))
    assert isinstance(appended.command, ThreadActivityAppend)
    payload = appended.command.activity.payload
    assert isinstance(delta.command, ThreadMessageAssistantDelta)
    assert payload["messageId"] == delta.command.message_id
    assert payload["name"] == "plan.svg"
    assert "itemId" not in payload


@pytest.mark.spec("E89")
@pytest.mark.parametrize("size", [0, MAX_ATTACHMENT_BYTES + 1])
def test_attachment_beyond_the_bounds_is_a_notice(size: int) -> None:
    notice = bounded_event(attrs.evolve(IMAGE, content=bytes(size)))
    assert isinstance(notice, SessionNotice)
    assert notice.detail == {"mediaType": "image/svg+xml", "size": size}


def test_attachment_takes_as_much_of_the_queue_as_it_has_bytes() -> None:
    bounded = bounded_event(attrs.evolve(IMAGE, name="n" * 1000, content=bytes(MAX_ATTACHMENT_BYTES)))
    assert isinstance(bounded, AttachmentProduced)
    assert len(bounded.name) == MAX_ATTACHMENT_NAME
    assert event_size(bounded) == MAX_ATTACHMENT_BYTES
