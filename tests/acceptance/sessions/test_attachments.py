"""A message's images: stored beside the database, named by events, handed to the agent, read back by clients."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import orjson
import pytest

from orchestrion import (
    Attachment,
    AttachmentUnreadable,
    AttachmentView,
    InvalidRequest,
    NotFound,
    PersistedEvent,
    StoredAttachment,
    ThreadActivityAppended,
    ThreadId,
    ThreadMessageSent,
    ThreadTurnStartRequested,
    Unset,
    attachment_of,
    to_json,
)
from orchestrion.contracts.blobs import blob_of
from orchestrion.persistence.blobs import BlobStore
from tests.support import builders as make
from tests.support.core import run_sql
from tests.support.inside_provider import InsideProvider
from tests.support.stage import Stage, activity, payload, stage

pytestmark = pytest.mark.anyio

PIXEL = base64.b64decode(make.PIXEL)
DIGEST = blob_of(PIXEL).digest
VIEW = AttachmentView(name="shot.png", media_type="image/png", size=len(PIXEL), digest=DIGEST)


async def ask(it: Stage, *attachments: Attachment, message_id: str = "m1", thread_id: str = "t1") -> PersistedEvent:
    """Ask for a turn with attachments; the event that names them."""
    await it.runtime.dispatch(make.turn_start(thread_id, message_id, attachments=attachments or (make.image(),)))
    named = activity("message.attachments")
    return await it.until(lambda event: named(event) and event.stream_id == thread_id)


async def ended(it: Stage) -> None:
    await it.until(lambda event: event.event_type == "thread.turn-diff-completed")


def blob_files(it: Stage) -> list[Path]:
    return [path for path in BlobStore.beside(it.database).folder.rglob("*") if path.is_file()]


@pytest.mark.lesson("L150")
@pytest.mark.spec("E81")
async def test_log_has_the_digest_of_an_image_and_the_agent_its_bytes(tmp_path: Path) -> None:
    provider = InsideProvider()
    async with stage(tmp_path, providers=[provider]) as it:
        await ask(it)
        await ended(it)
        sent = (await it.until(payload(ThreadMessageSent))).payload
        assert isinstance(sent, ThreadMessageSent)
        (stored,) = () if isinstance(sent.attachments, Unset) else sent.attachments
        assert stored == StoredAttachment(
            type="image",
            name=make.image().name,
            mime_type=make.image().mime_type,
            size_bytes=make.image().size_bytes,
            digest=DIGEST,
        )
        assert [turn.attachments for turn in provider.turns] == [(make.image(),)]
        assert not any(make.PIXEL in orjson.dumps(to_json(event)).decode() for event in await it.log())


@pytest.mark.spec("E82")
async def test_activity_of_the_same_command_names_the_attachments(tmp_path: Path) -> None:
    async with stage(tmp_path, providers=[InsideProvider()]) as it:
        other = attachment_of(b"<svg/>", name="b.svg", mime_type="image/svg+xml")
        named = await ask(it, make.image(), other)
        assert isinstance(named.payload, ThreadActivityAppended)
        sent = await it.until(payload(ThreadMessageSent))
        requested = await it.until(payload(ThreadTurnStartRequested))
        assert isinstance(requested.payload, ThreadTurnStartRequested)
        assert [sent.sequence, named.sequence, requested.sequence] == list(range(sent.sequence, sent.sequence + 3))
        assert (named.command_id, named.causation_event_id) == (sent.command_id, sent.event_id)
        found = named.payload.activity
        assert (found.tone, found.turn_id) == ("info", requested.payload.turn_id)
        assert found.payload["messageId"] == "m1"
        assert [one["name"] for one in found.payload["attachments"]] == ["shot.png", "b.svg"]


@pytest.mark.spec("E83")
async def test_message_in_the_snapshot_lists_its_attachments(tmp_path: Path) -> None:
    async with stage(tmp_path, providers=[InsideProvider()]) as it:
        await ask(it)
        await ended(it)
        await it.perform("and without")
        messages = (await it.thread()).messages
        assert not isinstance(messages, Unset)
        assert [one.attachments for one in messages if one.role == "user"] == [(VIEW,), ()]


@pytest.mark.spec("E81")
async def test_equal_images_are_one_file(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        await ask(it, make.image(), make.image("again.png"))
        await ask(it, message_id="m2")
        assert len(blob_files(it)) == 1


@pytest.mark.spec("E81")
async def test_rejected_command_stores_nothing(tmp_path: Path) -> None:
    async with stage(tmp_path, providers=[InsideProvider()]) as it:
        rejected = await it.runtime.handle(
            "orchestration.dispatchCommand", make_json(make.turn_start("nowhere", attachments=(make.image(),)))
        )
        assert rejected["error"]["code"] == "CommandRejected"
        assert not BlobStore.beside(it.database).folder.exists()


def make_json(command: Any) -> Any:
    return {"type": command.type, **to_json(command)}


@pytest.mark.spec("E81")
async def test_command_with_an_image_is_answered_the_same_when_it_is_repeated(tmp_path: Path) -> None:
    async with stage(tmp_path, providers=[InsideProvider()]) as it:
        command = make.turn_start(attachments=(make.image(),))
        first = await it.runtime.dispatch(command)
        again = await it.runtime.dispatch(command)
        assert (again.sequence, again.duplicate) == (first.sequence, True)


@pytest.mark.spec("E81")
@pytest.mark.parametrize(("damage", "fault"), [(None, "is missing"), (b"damaged", "has another content")])
async def test_turn_whose_image_is_gone_or_damaged_fails_and_says_why(
    tmp_path: Path, damage: bytes | None, fault: str
) -> None:
    provider = InsideProvider()
    async with stage(tmp_path, providers=[]) as it:
        await ask(it)
        (file,) = blob_files(it)
        if damage is None:
            file.unlink()
        else:
            file.write_bytes(damage)
    async with stage(tmp_path, providers=[provider]) as it:
        failed = await it.until(activity("turn.failed"))
        assert isinstance(failed.payload, ThreadActivityAppended)
        reason = failed.payload.activity.payload
        assert reason["reason"] == "storage"
        assert DIGEST in reason["message"]
        assert fault in reason["message"]
        assert provider.turns == []


@pytest.mark.spec("E81")
async def test_image_in_an_event_of_an_older_log_reaches_the_agent(tmp_path: Path) -> None:
    async with stage(tmp_path, providers=[]) as it:
        await it.runtime.dispatch(make.turn_start(attachments=(make.image(),)))
    older = orjson.dumps([to_json(make.image())]).decode()
    await run_sql(
        tmp_path / "state.db",
        "UPDATE orchestration_events SET payload_json = json_set(payload_json, '$.attachments', json(?))"
        " WHERE event_type = 'thread.message-sent'",
        older,
    )
    provider = InsideProvider()
    async with stage(tmp_path, providers=[provider]) as it:
        await ended(it)
        assert [turn.attachments for turn in provider.turns] == [(make.image(),)]


@pytest.mark.spec("E84")
async def test_attachment_is_read_by_its_digest(tmp_path: Path) -> None:
    async with stage(tmp_path, providers=[]) as it:
        await ask(it)
        for thread in (None, ThreadId("t1")):
            found = await it.runtime.get_attachment(DIGEST, thread)
            assert (found.content, found.name, found.media_type) == (PIXEL, "shot.png", "image/png")
        answer = await it.runtime.handle("orchestration.getAttachment", {"digest": DIGEST, "threadId": "t1"})
        assert answer["result"] == {
            "digest": DIGEST,
            "name": "shot.png",
            "mediaType": "image/png",
            "size": len(PIXEL),
            "data": make.PIXEL,
        }


@pytest.mark.spec("E84")
@pytest.mark.parametrize("digest", ["", "sha256:", "sha256:../../state.db", f"sha256:{'A' * 64}", f"md5:{'0' * 32}"])
async def test_digest_that_is_none_is_refused(tmp_path: Path, digest: str) -> None:
    async with stage(tmp_path, providers=[]) as it:
        await ask(it)
        with pytest.raises(InvalidRequest) as caught:
            await it.runtime.get_attachment(digest)
        assert caught.value.field == "digest"


@pytest.mark.spec("E84")
async def test_attachment_that_no_event_names_is_not_found(tmp_path: Path) -> None:
    async with stage(tmp_path, providers=[]) as it:
        await ask(it)
        await it.open_thread("t2")
        orphan = blob_of(b"not named")
        BlobStore.beside(it.database).put(orphan)
        for digest, thread in ((orphan.digest, None), (DIGEST, ThreadId("t2"))):
            with pytest.raises(NotFound) as caught:
                await it.runtime.get_attachment(digest, thread)
            assert (caught.value.kind, caught.value.id) == ("attachment", digest)
        with pytest.raises(NotFound, match="thread 'never'"):
            await it.runtime.get_attachment(DIGEST, ThreadId("never"))
        blob_files(it)[0].parent.rename(tmp_path / "moved")
        with pytest.raises(AttachmentUnreadable):
            await it.runtime.get_attachment(DIGEST)


@pytest.mark.spec("E81")
async def test_client_cannot_name_stored_bytes_in_a_command(tmp_path: Path) -> None:
    async with stage(tmp_path, providers=[]) as it:
        await ask(it)
        command = make_json(make.turn_start(message_id="m2"))
        image = to_json(make.image())
        command["message"]["attachments"] = [{**{k: image[k] for k in image if k != "dataUrl"}, "digest": DIGEST}]
        answer = await it.runtime.handle("orchestration.dispatchCommand", command)
        assert answer["error"]["code"] == "InvalidCommand"
        assert answer["error"]["data"]["field"] == "message.attachments[0].digest"
