"""The activities that name stored attachments, and what is read from those that are not well formed."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrion.contracts.ids import MessageId, TurnId
from orchestrion.contracts.payload_bounds import bounded_payload
from orchestrion.contracts.read_model import AttachmentView
from orchestrion.contracts.values import (
    MAX_ATTACHMENT_NAME,
    MAX_ATTACHMENTS,
    AttachmentName,
    AttachmentSize,
    Digest,
    MediaType,
    StoredAttachment,
)
from orchestrion.domain.attachments import attachments_by_message, attachments_in, message_attachments_activity
from tests.support.builders import at

DIGEST = Digest(f"sha256:{'0a' * 32}")
GIVEN = {"name": "a.png", "mediaType": "image/png", "size": 7, "digest": DIGEST}
VIEW = AttachmentView(name="a.png", media_type="image/png", size=7, digest=DIGEST)


def stored(name: str = "a.png") -> StoredAttachment:
    return StoredAttachment(
        type="image",
        name=AttachmentName(name),
        mime_type=MediaType("image/png"),
        size_bytes=AttachmentSize(7),
        digest=DIGEST,
    )


def json_of(kind: str, payload: Any) -> dict[str, Any]:
    return {"kind": kind, "payload": payload}


@pytest.mark.spec("E82")
def test_activity_of_a_message_is_read_back() -> None:
    activity = message_attachments_activity(
        MessageId("m1"), (stored(), stored("b.png")), turn_id=TurnId("turn-1"), now=at(1)
    )
    assert (activity.id, activity.kind) == ("~attachments/turn-1", "message.attachments")
    assert activity.summary == "Attached: a.png (7 bytes), b.png (7 bytes)"
    found = attachments_in(json_of(activity.kind, activity.payload))
    assert found[0] == VIEW
    assert attachments_by_message([activity]) == {"m1": found}


@pytest.mark.spec("E82")
def test_longest_names_fit_the_payload_of_one_activity() -> None:
    names = ["\N{EURO SIGN}" * MAX_ATTACHMENT_NAME] * MAX_ATTACHMENTS
    activity = message_attachments_activity(
        MessageId("m" * 200), [stored(name) for name in names], turn_id=TurnId("t" * 100), now=at(1)
    )
    assert bounded_payload(activity.payload) == activity.payload


@pytest.mark.spec("E83")
def test_attachment_of_an_agent_is_read_from_its_own_activity() -> None:
    assert attachments_in(json_of("attachment.stored", {**GIVEN, "itemId": "i1"})) == (VIEW,)


@pytest.mark.parametrize(
    "activity",
    [
        None,
        "text",
        {},
        json_of("message.attachments", None),
        json_of("message.attachments", {"attachments": "a.png"}),
        json_of("message.attachments", {"attachments": ["a.png", None]}),
        json_of("attachment.stored", {**GIVEN, "digest": "sha256:../x"}),
        json_of("attachment.stored", {**GIVEN, "size": "7"}),
        json_of("tool.completed", GIVEN),
    ],
)
def test_what_is_not_well_formed_names_no_attachment(activity: object) -> None:
    assert attachments_in(activity) == ()
