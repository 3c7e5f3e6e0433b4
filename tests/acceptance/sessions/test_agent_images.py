"""Images that agents produce: stored beside the database, named by an activity, read back by clients."""

from __future__ import annotations

import base64
from pathlib import Path

import orjson
import pytest

from orchestrion import PersistedEvent, StoreFull, ThreadActivityAppended, ThreadId, Unset, to_json
from orchestrion.contracts.blobs import Blob, blob_of
from orchestrion.persistence.blobs import BlobStore
from tests.support import builders as make
from tests.support.stage import Stage, activity, stage

pytestmark = pytest.mark.anyio

PIXEL = base64.b64decode(make.PIXEL)
DIGEST = blob_of(PIXEL).digest


def payload_of(event: PersistedEvent) -> dict[str, object]:
    assert isinstance(event.payload, ThreadActivityAppended)
    return event.payload.activity.payload


async def stored(it: Stage) -> list[dict[str, object]]:
    named = activity("attachment.stored")
    return [payload_of(event) for event in await it.log() if named(event)]


@pytest.mark.spec("E89")
async def test_image_of_a_message_is_stored_and_listed_with_it(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        it.path("a.png").write_bytes(PIXEL)
        await it.perform("say look\nshow a.png")
        messages = (await it.thread()).messages
        assert not isinstance(messages, Unset)
        answer = messages[-1]
        (found,) = await stored(it)
        assert found == {
            "name": "image.png",
            "mediaType": "image/png",
            "size": len(PIXEL),
            "digest": DIGEST,
            "messageId": answer.id,
        }
        assert [one.digest for one in answer.attachments] == [DIGEST]
        assert (await it.runtime.get_attachment(DIGEST, ThreadId("t1"))).content == PIXEL
        assert not any(make.PIXEL in orjson.dumps(to_json(event)).decode() for event in await it.log())


@pytest.mark.spec("E89")
async def test_image_of_a_tool_is_stored_with_its_item(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        it.path("a.png").write_bytes(PIXEL)
        await it.perform("draw a.png")
        started = payload_of(await it.until(activity("tool.started")))
        (found,) = await stored(it)
        assert (found["digest"], found["itemId"]) == (DIGEST, started["itemId"])


@pytest.mark.spec("E89")
async def test_image_that_the_disk_refuses_for_a_while_is_stored_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, tries = BlobStore.put, 0

    def refuse_once(store: BlobStore, blob: Blob) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise StoreFull("the disk is full")
        put(store, blob)

    monkeypatch.setattr(BlobStore, "put", refuse_once)
    async with stage(tmp_path) as it:
        it.path("a.png").write_bytes(PIXEL)
        await it.perform("draw a.png\nsay drawn")
        assert [one["digest"] for one in await stored(it)] == [DIGEST]
        assert tries == 2


@pytest.mark.spec("E81")
async def test_rehearsal_agent_sees_the_images_of_a_message(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        await it.runtime.dispatch(make.turn_start(text="see", attachments=(make.image(), make.image("b.png"))))
        await it.until(lambda event: event.event_type == "thread.turn-diff-completed")
        messages = (await it.thread()).messages
        assert not isinstance(messages, Unset)
        assert messages[-1].text == "images: 2: image/png of 70 bytes, image/png of 70 bytes"
