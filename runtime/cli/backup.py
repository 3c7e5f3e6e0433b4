"""`orchestrion backup`: a copy of the database at one moment, while it is in use or not."""

from __future__ import annotations

import os
from pathlib import Path

import click

from ...persistence.event_store import read_head
from ...persistence.inspection import copy_database, open_read_only
from ..contracts.errors import StoreError
from .output import print_line, stdout_console
from .parameters import database_argument


@click.command()
@database_argument
@click.argument("target", metavar="FILE", type=click.Path(path_type=Path))
def backup(database: Path, target: Path) -> None:
    """Write a consistent copy of DB to FILE, which must not exist.

    Reads only, also while a runtime owns DB. FILE appears whole or not at all.
    """
    target = target.resolve()
    _refuse_existing(target)
    unfinished = target.with_name(f"{target.name}.unfinished-{os.getpid()}")
    with open_read_only(database) as opened:
        opened.execute_sql("BEGIN")
        head = read_head(opened).sequence
        copy_database(opened, unfinished)
    try:
        os.link(unfinished, target)
    except FileExistsError:
        _refuse_existing(target)
        raise
    finally:
        unfinished.unlink()
    print_line(stdout_console(), f"{target}: the log up to sequence {head} and all that is derived from it")


def _refuse_existing(target: Path) -> None:
    """Refuse a file that is there, and one whose log or journal is: SQLite would take it for the copy's."""
    for path in (target, Path(f"{target}-wal"), Path(f"{target}-journal")):
        if os.path.lexists(path):
            raise StoreError(f"{path} exists already: name another file, or move it away")
