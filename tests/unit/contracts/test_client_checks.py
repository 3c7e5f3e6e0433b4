"""Checks of a client's command beyond its types: attachments, directories, lengths, control characters."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from orchestrion.contracts.admission import admit
from orchestrion.contracts.codec import read_leniently, to_json
from orchestrion.contracts.commands import Command, ProjectCreate
from orchestrion.contracts.errors import InvalidCommand
from orchestrion.contracts.values import Attachment, AttachmentSize, DataUrl, Label
from tests.support.builders import (
    PIXEL,
    image,
    project_create,
    project_meta_update,
    script,
    thread_create,
    thread_meta_update,
    turn_start,
)

JPEG = base64.b64encode(b"\xff\xd8\xff\xe0" + bytes(8)).decode()
GIF = base64.b64encode(b"GIF89a" + bytes(6)).decode()
WEBP = base64.b64encode(b"RIFF\x04\x00\x00\x00WEBP").decode()


def _with(**changed: Any) -> Command:
    return turn_start(attachments=(image(), attrs.evolve(image(), **changed)))


def _refused(command: Command) -> InvalidCommand:
    with pytest.raises(InvalidCommand) as caught:
        admit(command, "client")
    assert caught.value.command_id == command.command_id
    return caught.value


@pytest.mark.lesson("L49")
@pytest.mark.parametrize(
    ("mime", "data", "size"),
    [
        ("image/png", f"data:image/png;base64,{PIXEL}", 70),
        ("image/PNG", f"data:Image/png;base64,{PIXEL}", 70),
        ("image/png", f"data:image/png;charset=utf-8;base64,{PIXEL}", 70),
        ("image/jpeg", f"data:image/jpeg;base64,{JPEG}", 12),
        ("image/jpg", f"data:image/jpg;base64,{JPEG}", 12),
        ("image/gif", f"data:image/gif;base64,{GIF}", 12),
        ("image/webp", f"data:image/webp;base64,{WEBP}", 12),
        ("image/svg+xml", "data:image/svg+xml;base64,PHN2Zy8+", 6),
        ("text/plain", "data:text/plain;base64,aGVyb24=", 5),
        ("application/pdf", f"data:application/pdf;base64,{PIXEL}", 70),
    ],
)
def test_attachment_that_matches_its_fields_is_accepted(mime: str, data: str, size: int) -> None:
    kind = "image" if mime.startswith("image/") else "file"
    admit(_with(type=kind, mime_type=mime, data_url=data, size_bytes=size), "client")


@pytest.mark.lesson("L49")
@pytest.mark.parametrize(
    ("field", "changed"),
    [
        ("sizeBytes", {"size_bytes": 71}),
        ("sizeBytes", {"size_bytes": 0}),
        ("dataUrl", {"mime_type": "image/jpeg"}),
        ("dataUrl", {"mime_type": "image/jpeg", "data_url": f"data:image/jpeg;base64,{PIXEL}"}),
        ("dataUrl", {"mime_type": "image/x-raw", "data_url": f"data:image/x-raw;base64,{PIXEL}"}),
        ("dataUrl", {"data_url": "data:image/png;base64,AAAA", "size_bytes": 3}),
        ("dataUrl", {"data_url": "data:image/png;base64,", "size_bytes": 0}),
        ("dataUrl", {"data_url": f"data:image/png,{PIXEL}"}),
        ("dataUrl", {"data_url": f"data:;base64,{PIXEL}"}),
        ("dataUrl", {"data_url": f"data:image/png;base64,{PIXEL[:-2]}"}),
        ("dataUrl", {"data_url": f"data:image/png;base64,{PIXEL[:40]}\n{PIXEL[40:]}"}),
        ("dataUrl", {"data_url": f"data:image/png;base64,{PIXEL[:-2]}%3D%3D"}),
        ("dataUrl", {"data_url": "data:image/png;base64,not base64!", "size_bytes": 10}),
        ("mimeType", {"mime_type": "image/png\r\nx: y"}),
        ("type", {"type": "file"}),
        ("type", {"mime_type": "text/plain", "data_url": "data:text/plain;base64,aGVyb24=", "size_bytes": 5}),
        ("name", {"name": "a\x00.png"}),
    ],
)
def test_attachment_that_contradicts_its_fields_is_refused(field: str, changed: dict[str, Any]) -> None:
    assert _refused(_with(**changed)).field == f"message.attachments[1].{field}"


@pytest.mark.lesson("L49")
def test_attachment_of_an_older_log_is_read_unchanged() -> None:
    lying = attrs.evolve(image(), size_bytes=AttachmentSize(1), data_url=DataUrl("data:,x"))
    assert read_leniently(to_json(lying), Attachment) == lying


def _meta(**changed: Any) -> Command:
    return attrs.evolve(project_meta_update(), **changed)


@pytest.mark.lesson("L49")
@pytest.mark.parametrize("directory", ["work", "./work", "../work", "~/work", ".", "C:\\work"])
@pytest.mark.parametrize("field", ["workspaceRoot", "worktreePath"])
def test_a_directory_of_a_client_is_absolute(field: str, directory: str) -> None:
    if field == "workspaceRoot":
        commands: list[Command] = [project_create(workspace_root=directory), _meta(workspace_root=Label(directory))]
    else:
        changed = attrs.evolve(thread_meta_update(), worktree_path=Label(directory))
        commands = [thread_create(worktree_path=directory), changed]
    for command in commands:
        refused = _refused(command)
        assert (refused.field, "relative" in refused.fault) == (field, True)


@pytest.mark.lesson("L49")
def test_a_thread_without_a_worktree_is_taken() -> None:
    admit(thread_create(worktree_path=None), "client")
    admit(attrs.evolve(thread_meta_update(), worktree_path=None), "client")


@pytest.mark.lesson("L49")
@pytest.mark.parametrize(
    ("field", "command"),
    [
        ("model", thread_create(model="m\n")),
        ("branch", thread_create(branch="main\x00")),
        ("workspaceRoot", project_create(workspace_root="/work\x00")),
        ("worktreePath", thread_create(worktree_path="/work\ntree")),
        ("defaultModel", project_create(default_model="m\t")),
        ("effort", turn_start(effort="high\r")),
        ("model", turn_start(model="\x7f")),
        ("scripts[0].id", _meta(scripts=(attrs.evolve(script(), id=Label("a\nb")),))),
    ],
)
def test_a_control_character_in_a_name_is_refused_by_its_field(field: str, command: Command) -> None:
    assert _refused(command).field == field


@pytest.mark.lesson("L49")
@pytest.mark.parametrize(
    ("field", "most", "command"),
    [
        ("title", 2048, lambda text: project_create(title=text)),
        ("title", 2048, lambda text: _meta(title=Label(text))),
        ("title", 2048, lambda text: thread_create(title=text)),
        ("title", 2048, lambda text: attrs.evolve(thread_meta_update(), title=Label(text))),
        ("model", 2048, lambda text: thread_create(model=text)),
        ("model", 2048, lambda text: attrs.evolve(thread_meta_update(), model=Label(text))),
        ("model", 2048, lambda text: turn_start(model=text)),
        ("effort", 2048, lambda text: turn_start(effort=text)),
        ("branch", 2048, lambda text: thread_create(branch=text)),
        ("branch", 2048, lambda text: attrs.evolve(thread_meta_update(), branch=Label(text))),
        ("defaultModel", 2048, lambda text: project_create(default_model=text)),
        ("scripts[0].id", 2048, lambda text: _meta(scripts=(attrs.evolve(script(), id=Label(text)),))),
        ("scripts[0].name", 2048, lambda text: _meta(scripts=(attrs.evolve(script(), name=Label(text)),))),
        ("workspaceRoot", 4096, lambda text: project_create(workspace_root=text)),
        ("workspaceRoot", 4096, lambda text: _meta(workspace_root=Label(text))),
        ("worktreePath", 4096, lambda text: thread_create(worktree_path=text)),
        ("worktreePath", 4096, lambda text: attrs.evolve(thread_meta_update(), worktree_path=Label(text))),
    ],
)
def test_a_name_that_is_too_long_is_refused_by_its_field(
    field: str, most: int, command: Callable[[str], Command]
) -> None:
    longest = "/a" + "\u00e9" * (most // 2 - 1)
    admit(command(longest), "client")
    refused = _refused(command(longest + "b"))
    assert (refused.field, refused.fault) == (field, f"it has {most + 1} bytes, at most {most}")


@pytest.mark.lesson("L49")
def test_long_title_of_an_older_log_is_read_unchanged() -> None:
    created = project_create(title="x" * 100_000)
    assert read_leniently(to_json(created), ProjectCreate) == created


@pytest.mark.lesson("L49")
def test_titles_may_have_any_characters() -> None:
    admit(thread_create(title="two\nlines \x1b[31mred \u202b\u05d0\u202c \U0001f600"), "client")
