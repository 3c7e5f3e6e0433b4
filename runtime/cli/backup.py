"""`orchestrion backup`: a copy of the database at one moment, while it is in use or not."""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import click

from ...contracts.errors import AttachmentUnreadable, StoreError
from ...contracts.values import Digest
from ...persistence.blobs import BlobStore, copy_blobs, read_references
from ...persistence.crash_points import crash_point
from ...persistence.database import database_path
from ...persistence.event_store import read_head
from ...persistence.failures import translate_errors
from ...persistence.host_process import lives
from ...persistence.identity import detach_identity
from ...persistence.inspection import copy_database, open_copy, open_read_only
from ...persistence.provider_runtime import close_live_runtimes
from .output import print_line, stderr_console, stdout_console
from .parameters import database_argument

_UNFINISHED: Final = ".unfinished-"


@click.command()
@database_argument
@click.argument("target", metavar="FILE", type=click.Path(path_type=Path))
@click.pass_context
def backup(context: click.Context, database: Path, target: Path) -> None:
    """Write a consistent copy of DB to FILE, which must not exist, and its attachments to FILE-blobs.

    Only reads DB; works while a runtime owns it. FILE appears complete or not at all. It is a
    database of its own: it has no live agents, and its captures will have refs of their own.
    Exits with 1 if an attachment is missing or damaged; everything else is copied.
    """
    target = target.resolve()
    _refuse_existing(target)
    _drop_left_behind(target)
    unfinished = target.with_name(f"{target.name}{_UNFINISHED}{os.getpid()}")
    with open_read_only(database) as opened:
        opened.execute_sql("BEGIN")
        head = read_head(opened).sequence
        digests = frozenset(one.attachment.digest for one in read_references(opened))
        copy_database(opened, unfinished)
    _detach(unfinished)
    crash_point("backup.copied")
    try:
        unreadable = _copy_attachments(database_path(database), target, digests)
        os.link(unfinished, target)
        crash_point("backup.linked")
    except FileExistsError:
        _refuse_existing(target)
        raise
    finally:
        unfinished.unlink()
    print_line(stdout_console(), f"{target}: the log up to sequence {head} and everything derived from it")
    for error in unreadable:
        print_line(stderr_console(), f"not copied: {error}")
    context.exit(1 if unreadable else 0)


def _copy_attachments(database: Path, target: Path, digests: frozenset[Digest]) -> tuple[AttachmentUnreadable, ...]:
    """Store the attachments beside the copy before it appears; which of them cannot be read."""
    if not digests:
        return ()
    store = BlobStore.beside(target)
    with _removed_on_failure(store.folder):
        return copy_blobs(BlobStore.beside(database), store, digests).unreadable


@contextmanager
def _removed_on_failure(folder: Path) -> Iterator[None]:
    """Remove a directory that the block made and could not fill. One that was there before is left alone."""
    was_there = os.path.lexists(folder)
    try:
        yield
    except BaseException:
        if not was_there:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _detach(copy: Path) -> None:
    """Make the copy a separate database: without live sessions, and without an identity yet."""
    with closing(open_copy(copy)) as opened, translate_errors(copy):
        opened.begin("IMMEDIATE")
        close_live_runtimes(opened)
        detach_identity(opened)
        opened.execute_sql("COMMIT")


def _drop_left_behind(target: Path) -> None:
    """Remove what a backup to this file left that was killed: its process lives no more."""
    for left in target.parent.glob(f"{glob.escape(target.name)}{_UNFINISHED}*"):
        pid = left.name.rpartition("-")[2]
        if pid.isdecimal() and not lives(int(pid)):
            left.unlink(missing_ok=True)


def _refuse_existing(target: Path) -> None:
    """Refuse a file that is there, and one whose log or journal is: SQLite would take it for the copy's."""
    for path in (target, Path(f"{target}-wal"), Path(f"{target}-journal")):
        if os.path.lexists(path):
            raise StoreError(f"{path} exists already: name another file, or move it away", path=str(path))
