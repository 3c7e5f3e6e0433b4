"""Stored attachments as files: written whole or not at all, private, and checked whenever they are read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from orchestrion import AttachmentUnreadable, StoreError
from orchestrion.contracts.blobs import Blob, blob_of
from orchestrion.persistence.blobs import BlobStore, StoredBlob, copy_blobs

BLOB = blob_of(b"one pixel")
OTHER = blob_of(b"two pixels")


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore.beside(tmp_path / "state.db")


def place_of(store: BlobStore, blob: Blob) -> Path:
    (place,) = store.folder.rglob(blob.digest.removeprefix("sha256:"))
    return place


def files_of(store: BlobStore) -> list[Path]:
    return [path for path in store.folder.rglob("*") if path.is_file()]


@pytest.mark.spec("E80")
def test_blob_is_read_back_from_two_levels_of_private_directories(store: BlobStore) -> None:
    store.put(BLOB)
    digits = BLOB.digest.removeprefix("sha256:")
    assert store.folder.name == "state.db-blobs"
    assert place_of(store, BLOB) == store.folder / digits[:2] / digits[2:4] / digits
    assert store.read(BLOB.digest) == BLOB.content
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (store.folder, *store.folder.rglob("*")) if path.is_dir()}
    assert modes == {0o700}
    assert stat.S_IMODE(place_of(store, BLOB).stat().st_mode) == 0o600


def test_name_of_a_database_may_have_any_bytes(tmp_path: Path) -> None:
    store = BlobStore.beside(tmp_path / os.fsdecode(b"\xff state?#.db"))
    store.put(BLOB)
    assert os.fsencode(store.folder.name) == b"\xff state?#.db-blobs"
    assert store.read(BLOB.digest) == BLOB.content


def test_blob_that_is_stored_again_is_one_young_file(store: BlobStore) -> None:
    store.put(BLOB)
    os.utime(place_of(store, BLOB), (1, 1))
    store.put(BLOB)
    assert len(files_of(store)) == 1
    (found,) = store.walk()
    assert found == StoredBlob(digest=BLOB.digest, size=len(BLOB.content), touched_at=found.touched_at)
    assert found.touched_at > 1


@pytest.mark.spec("E80")
@pytest.mark.parametrize("damage", ["cut", "changed", "removed", "link", "directory"])
def test_damaged_blob_is_refused_by_its_digest(store: BlobStore, tmp_path: Path, damage: str) -> None:
    store.put(BLOB)
    place = place_of(store, BLOB)
    place.unlink()
    match damage:
        case "cut":
            place.write_bytes(BLOB.content[:-1])
        case "changed":
            place.write_bytes(b"0" * len(BLOB.content))
        case "link":
            (tmp_path / "elsewhere").write_bytes(BLOB.content)
            place.symlink_to(tmp_path / "elsewhere")
        case "directory":
            place.mkdir()
        case _:
            pass
    with pytest.raises(AttachmentUnreadable) as caught:
        store.read(BLOB.digest)
    assert caught.value.digest == BLOB.digest
    assert str(place) in str(caught.value)


@pytest.mark.parametrize("damage", [b"", b"0 pixels!"])
def test_blob_that_is_stored_again_replaces_a_damaged_file(store: BlobStore, damage: bytes) -> None:
    store.put(BLOB)
    place_of(store, BLOB).write_bytes(damage)
    store.put(BLOB)
    assert store.read(BLOB.digest) == BLOB.content


def test_blob_that_cannot_be_written_leaves_nothing_half(store: BlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put(OTHER)

    def fail(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StoreError, match="Input/output error"):
        store.put(BLOB)
    monkeypatch.undo()
    assert files_of(store) == [place_of(store, OTHER)]
    store.put(BLOB)
    assert store.read(BLOB.digest) == BLOB.content


def test_file_in_place_of_the_directory_is_an_error(store: BlobStore) -> None:
    store.folder.write_bytes(b"")
    with pytest.raises(StoreError):
        store.put(BLOB)


def test_walk_leaves_out_what_is_no_blob(store: BlobStore) -> None:
    assert list(store.walk()) == []
    store.put(BLOB)
    (store.folder / "unfinished-0123").write_bytes(b"half")
    (store.folder / "aa").mkdir(exist_ok=True)
    (store.folder / "aa" / "notes.txt").write_bytes(b"")
    place_of(store, BLOB).with_name("ff").write_bytes(b"")
    assert [one.digest for one in store.walk()] == [BLOB.digest]
    store.remove_unfinished()
    assert not (store.folder / "unfinished-0123").exists()


def test_copy_has_every_readable_blob_as_a_file_of_its_own(store: BlobStore, tmp_path: Path) -> None:
    store.put(BLOB)
    store.put(OTHER)
    place_of(store, OTHER).write_bytes(b"damaged")
    copy = BlobStore.beside(tmp_path / "backup.db")
    copied = copy_blobs(store, copy, frozenset({BLOB.digest, OTHER.digest}))
    assert (copied.copied, [error.digest for error in copied.unreadable]) == (1, [OTHER.digest])
    place_of(store, BLOB).write_bytes(b"damaged")
    assert copy.read(BLOB.digest) == BLOB.content
