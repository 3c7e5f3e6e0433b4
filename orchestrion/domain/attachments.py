"""The activities that refer to stored attachments, and how they are read. Pure.

- `message.attachments`: `{messageId, attachments[]}`, with the command that sent the message.
- `attachment.stored`: one attachment that an agent produced, with the message or item that it belongs to.

An attachment is `{name, mediaType, size, digest}` in both.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from ..contracts.blobs import Blob, is_digest
from ..contracts.ids import ActivityId, MessageId, TurnId, runtime_id
from ..contracts.read_model import AttachmentView
from ..contracts.values import Activity, Digest, Instant, JsonObject, Label, StoredAttachment

MESSAGE_ATTACHMENTS: Final = "message.attachments"
ATTACHMENT_STORED: Final = "attachment.stored"

_SUMMARY_CHARACTERS: Final = 200
_DIGEST_BYTES: Final = 16


def message_attachments_activity(
    message_id: MessageId, attachments: Sequence[StoredAttachment], *, turn_id: TurnId | None, now: Instant
) -> Activity:
    """The activity that names the attachments of a user's message. It goes with the turn that the message starts."""
    key = turn_id or hashlib.blake2b(message_id.encode("utf-8", "replace"), digest_size=_DIGEST_BYTES).hexdigest()
    names = ", ".join(f"{one.name} ({one.size_bytes} bytes)" for one in attachments)
    return Activity(
        id=ActivityId(runtime_id("attachments", key)),
        tone="info",
        kind=Label(MESSAGE_ATTACHMENTS),
        summary=f"Attached: {names}"[:_SUMMARY_CHARACTERS],
        payload={
            "messageId": message_id,
            "attachments": [
                _attachment_json(one.name, one.mime_type, one.size_bytes, one.digest) for one in attachments
            ],
        },
        turn_id=turn_id,
        created_at=now,
    )


def stored_payload(name: str, media_type: str, blob: Blob) -> JsonObject:
    """The payload of an activity `attachment.stored`, without what the attachment belongs to."""
    return _attachment_json(name, media_type, len(blob.content), blob.digest)


def attachments_in(activity: object) -> tuple[AttachmentView, ...]:
    """The stored attachments that an activity refers to, as JSON has it. What is not well formed is left out."""
    if not isinstance(activity, Mapping) or not isinstance(payload := activity.get("payload"), Mapping):
        return ()
    match activity.get("kind"):
        case "message.attachments":
            named = payload.get("attachments")
            found = [_attachment_of(one) for one in named] if isinstance(named, list) else []
        case "attachment.stored":
            found = [_attachment_of(payload)]
        case _:
            found = []
    return tuple(one for one in found if one is not None)


def attachments_by_message(activities: Iterable[Activity]) -> Mapping[str, tuple[AttachmentView, ...]]:
    """The stored attachments of each message that has some, in the order of the activities."""
    found: dict[str, tuple[AttachmentView, ...]] = defaultdict(tuple)
    for activity in activities:
        if activity.kind not in (MESSAGE_ATTACHMENTS, ATTACHMENT_STORED):
            continue
        message_id = activity.payload.get("messageId")
        if isinstance(message_id, str):
            found[message_id] += attachments_in({"kind": activity.kind, "payload": activity.payload})
    return found


def _attachment_json(name: str, media_type: str, size: int, digest: Digest) -> JsonObject:
    return {"name": name, "mediaType": media_type, "size": size, "digest": digest}


def _attachment_of(data: Any) -> AttachmentView | None:
    if not isinstance(data, Mapping):
        return None
    match data:
        case {"name": str(name), "mediaType": str(media_type), "size": int(size), "digest": str(digest)}:
            if is_digest(digest):
                return AttachmentView(name=name, media_type=media_type, size=size, digest=Digest(digest))
        case _:
            pass
    return None
