"""Attachments on a disk that is full, and in files that may not grow: the command fails, and nothing half is left."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrion import Attachment, StoreFull, attachment_of, command_json, open_runtime
from orchestrion.persistence.blobs import BlobStore
from tests.support import builders as make
from tests.support.command_line import answers_of, done, lines_of
from tests.support.small_disk import SmallDisk

PREPARED = [command_json(make.project_create()), command_json(make.thread_create())]


def large(size: int = 400_000) -> Attachment:
    return attachment_of(bytes(size), name="raw", mime_type="image/x-raw")


def files_in(database: Path) -> list[Path]:
    return [path for path in BlobStore.beside(database).folder.rglob("*") if path.is_file()]


@pytest.mark.anyio
@pytest.mark.spec("E86")
async def test_attachment_without_room_is_refused_and_stored_once_there_is_room(disk: SmallDisk) -> None:
    database = disk.directory / "state.db"
    asked = make.turn_start(attachments=(large(),))
    async with open_runtime(database) as runtime:
        await runtime.dispatch(make.project_create())
        await runtime.dispatch(make.thread_create())
        disk.leave(200)
        with pytest.raises(StoreFull, match=r"state\.db-blobs: the disk is full"):
            await runtime.dispatch(asked)
        assert files_in(database) == []
        assert runtime.health().head == 2
        without = make.turn_start(message_id="m2")
        assert (await runtime.dispatch(without)).sequence == 4, "a command without one still has room"
        disk.free()
        assert (await runtime.dispatch(asked)).sequence == 7
    assert len(files_in(database)) == 1


@pytest.mark.spec("E86")
def test_attachment_beyond_the_limit_of_files_fails_its_command_alone(tmp_path: Path) -> None:
    database = tmp_path / "state.db"
    done("dispatch", database, input=lines_of(PREPARED))
    asked = [
        command_json(make.turn_start(message_id="m1", command_id="large", attachments=(large(900_000),))),
        command_json(make.turn_start(message_id="m2", command_id="small", attachments=(make.image(),))),
    ]
    ended = subprocess.run(
        [sys.executable, "-m", "orchestrion", "dispatch", str(database)],
        input=lines_of(asked),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000)),
    )
    assert ended.returncode == 1
    answers = {answer["commandId"]: answer for answer in answers_of(ended.stdout)}
    assert answers["large"]["status"] == "failed"
    assert "File too large" in answers["large"]["error"]
    assert answers["small"]["status"] == "accepted"
    assert len(files_in(database)) == 1
    assert json.loads(done("verify", database, "--json"))["findings"] == []
    assert [answer["status"] for answer in answers_of(done("dispatch", database, input=lines_of(asked)))] == [
        "accepted",
        "accepted",
    ]
