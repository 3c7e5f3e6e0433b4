"""`orchestrion attachment`: the bytes of one stored attachment."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from ...contracts.blobs import is_digest
from ...contracts.errors import StoreError
from ...contracts.ids import ThreadId
from ...contracts.values import Digest
from ...persistence.blobs import BlobStore, find_reference
from ...persistence.database import database_path
from ...persistence.failures import translate_errors
from ...persistence.inspection import open_read_only
from .output import print_line, shown_size, stderr_console, write_bytes
from .parameters import database_argument


@click.command()
@database_argument
@click.argument("digest", metavar="DIGEST")
@click.argument("target", metavar="[FILE]", type=click.Path(path_type=Path), required=False)
@click.option("--thread", "thread_id", metavar="ID", help="Only if this thread refers to it.")
def attachment(database: Path, digest: str, target: Path | None, thread_id: str | None) -> None:
    """Write the attachment DIGEST to FILE, which must not exist, or to standard output if it is no terminal.

    DIGEST is in the messages and activities of a snapshot: sha256: and 64 hexadecimal digits. Only reads DB.
    """
    if not is_digest(digest):
        raise click.BadParameter("expected sha256: and 64 hexadecimal digits", param_hint="DIGEST")
    if target is None and sys.stdout.isatty():
        raise click.UsageError("name a FILE: the terminal does not show bytes")
    thread = None if thread_id is None else ThreadId(thread_id)
    with open_read_only(database) as opened:
        found = find_reference(opened, Digest(digest), thread_id=thread)
    content = BlobStore.beside(database_path(database)).read(Digest(digest))
    if target is None:
        write_bytes(content)
        return
    _write_new_file(target, content)
    facts = f"{found.attachment.media_type}, {shown_size(len(content))}"
    print_line(stderr_console(), f"{target}: {found.attachment.name} ({facts})")


def _write_new_file(target: Path, content: bytes) -> None:
    """Write a file that appears whole or is removed again.

    Raises:
        StoreError: it exists, or cannot be written.
    """
    if os.path.lexists(target):
        raise StoreError(f"{target} exists already: name another file, or move it away", path=str(target))
    with translate_errors(target):
        try:
            with target.open("xb") as file:
                file.write(content)
        except FileExistsError:
            raise
        except BaseException:
            target.unlink(missing_ok=True)
            raise
