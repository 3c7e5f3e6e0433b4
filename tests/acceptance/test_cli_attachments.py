"""Attachments on the command line: written to files, verified, counted and backed up."""

from __future__ import annotations

import base64
import json
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest

from orchestrion import command_json
from orchestrion.contracts.blobs import blob_of
from orchestrion.persistence.blobs import BlobStore
from tests.support import builders as make
from tests.support.command_line import done, lines_of, orchestrion, snapshot_of

PIXEL = base64.b64decode(make.PIXEL)
DIGEST = blob_of(PIXEL).digest


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "state.db"
    commands = (make.project_create(), make.thread_create(), make.turn_start(attachments=(make.image(),)))
    done("dispatch", path, input=lines_of([command_json(one) for one in commands]))
    return path


def blob_file(database: Path) -> Path:
    (file,) = (path for path in BlobStore.beside(database).folder.rglob("*") if path.is_file())
    return file


def report_of(database: Path) -> Any:
    return json.loads(orchestrion("verify", database, "--json").stdout)


def delete_thread(database: Path) -> None:
    done("dispatch", database, input=lines_of([command_json(make.thread_delete())]))


@pytest.mark.spec("E87")
def test_attachment_is_written_to_a_new_file(database: Path, tmp_path: Path) -> None:
    (message,) = snapshot_of(database)["threads"][0]["messages"]
    (named,) = message["attachments"]
    target = tmp_path / "out.png"
    ended = orchestrion("attachment", database, named["digest"], target)
    assert (ended.returncode, ended.stdout) == (0, "")
    assert ended.stderr == f"{target}: shot.png (image/png, 70 B)\n"
    assert target.read_bytes() == PIXEL
    again = orchestrion("attachment", database, named["digest"], target)
    assert (again.returncode, again.stdout) == (1, "")
    assert "exists already" in again.stderr


@pytest.mark.spec("E87")
@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["sha256:../../state.db"], 2, "expected sha256:"),
        ([f"sha256:{'0' * 64}"], 1, "does not exist"),
        ([DIGEST, "--thread", "t2"], 1, "is none of thread 't2'"),
    ],
)
def test_digest_that_names_no_attachment_is_refused(
    database: Path, arguments: list[str], status: int, said: str
) -> None:
    ended = orchestrion("attachment", database, *arguments)
    assert (ended.returncode, ended.stdout) == (status, "")
    assert said in ended.stderr


@pytest.mark.spec("E88")
@pytest.mark.parametrize("damage", [None, b"", b"0" * 70])
def test_verify_reports_a_missing_or_damaged_attachment(database: Path, damage: bytes | None) -> None:
    assert report_of(database)["findings"] == []
    file = blob_file(database)
    if damage is None:
        file.unlink()
    else:
        file.write_bytes(damage)
    (finding,) = report_of(database)["findings"]
    assert (finding["check"], finding["where"]) == ("attachments", f"{DIGEST} of thread 't1'")
    assert finding["fault"] == ("is missing" if damage is None else "has another content")
    delete_thread(database)
    assert report_of(database)["findings"] == ([] if damage is None else [finding])


@pytest.mark.spec("E88")
def test_backup_has_the_attachments_as_files_of_its_own(database: Path, tmp_path: Path) -> None:
    target = tmp_path / "backup.db"
    done("backup", database, target)
    shutil.rmtree(BlobStore.beside(database).folder)
    assert report_of(target)["findings"] == []
    assert stat.S_IMODE(blob_file(target).stat().st_mode) == 0o600
    assert [finding["check"] for finding in report_of(database)["findings"]] == ["attachments"]


@pytest.mark.spec("E88")
def test_backup_of_a_damaged_attachment_is_written_and_says_so(database: Path, tmp_path: Path) -> None:
    blob_file(database).write_bytes(b"damaged")
    target = tmp_path / "backup.db"
    ended = orchestrion("backup", database, target)
    assert ended.returncode == 1
    assert f"not copied: the attachment {DIGEST} cannot be read" in ended.stderr
    assert [finding["fault"] for finding in report_of(target)["findings"]] == ["is missing"]


@pytest.mark.spec("E88")
def test_backup_that_fails_leaves_no_attachments(database: Path, tmp_path: Path) -> None:
    target = tmp_path / "backup.db"
    BlobStore.beside(target).folder.write_bytes(b"")
    before = sorted(tmp_path.iterdir())
    ended = orchestrion("backup", database, target)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.spec("E88")
def test_stats_count_the_attachments(database: Path) -> None:
    found = json.loads(done("stats", database, "--json"))
    assert (found["blobs"], found["blobBytes"]) == (1, 70)
    assert "1 stored attachment beside it: 70 B" in done("stats", database)
