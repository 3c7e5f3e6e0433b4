"""`orchestrion stats`: what takes the room in a database."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from ...actors.checkpoints.git import ShadowStats, read_shadow_stats
from ...contracts.codec import to_json
from ...persistence.identity import DatabaseCopy, copy_of, read_identity
from ...persistence.inspection import open_read_only
from ...persistence.stats import DatabaseStats, ThreadStats, read_stats
from .output import print_copy, print_line, print_table, stdout_console, write_json
from .parameters import database_argument, json_option

_THREADS = 20


@click.command()
@database_argument
@click.option(
    "--threads",
    "most_threads",
    metavar="N",
    type=click.IntRange(min=0),
    default=_THREADS,
    show_default=True,
    help="Show the N largest threads.",
)
@json_option
def stats(database: Path, most_threads: int, as_json: bool) -> None:
    """Show what takes space in DB: tables with their indexes, the largest threads, and shadow repositories.

    Only reads DB; works while a runtime owns it. Reads the whole file.
    """
    with open_read_only(database) as opened:
        opened.execute_sql("BEGIN")
        found = read_stats(opened, most_threads=most_threads)
        copy = copy_of(read_identity(opened, database))
    shadows = read_shadow_stats(database)
    if as_json:
        threads = [_thread_json(thread) for thread in found.threads]
        write_json(
            {
                **to_json(found),
                "copy": to_json(copy),
                "threads": threads,
                "shadowRepositories": [to_json(one) for one in shadows],
            }
        )
    else:
        _print(found, copy)
        _print_shadows(shadows)


def _thread_json(thread: ThreadStats) -> dict[str, Any]:
    return {**to_json(thread), "contentBytes": thread.content_bytes}


def _print(found: DatabaseStats, copy: DatabaseCopy | None) -> None:
    console = stdout_console()
    print_copy(console, copy)
    print_line(
        console,
        f"{_size(found.file_bytes)}, {_size(found.free_bytes)} of it free; {_size(found.wal_bytes)} of WAL beside it",
    )
    print_table(
        console,
        "Tables",
        ("table", "rows", "rows take", "indexes take"),
        ((one.name, one.rows, _size(one.table_bytes), _size(one.index_bytes)) for one in found.tables),
    )
    print_table(
        console,
        "Largest threads",
        ("thread", "events", "log", "messages", "activities", "diffs"),
        (
            (
                one.thread_id,
                one.events,
                *(_size(size) for size in (one.log_bytes, one.message_bytes, one.activity_bytes, one.diff_bytes)),
            )
            for one in found.threads
        ),
    )
    if found.threads_left_out:
        print_line(console, f"{found.threads_left_out} smaller threads are not shown: --threads N")


def _print_shadows(found: Sequence[ShadowStats]) -> None:
    console = stdout_console()
    print_table(
        console,
        "Captures of workspaces without a repository",
        ("workspace", "repository", "takes"),
        (
            (one.workspace if one.workspace_exists else f"{one.workspace} (gone)", one.name, _size(one.bytes))
            for one in found
        ),
    )
    if found:
        print_line(console, f"{_size(sum(one.bytes for one in found))} in all")


def _size(size: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
