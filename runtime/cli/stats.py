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
from .output import counted, print_copy, print_line, print_table, shown_size, stdout_console, write_json
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
        f"{shown_size(found.file_bytes)}, {shown_size(found.free_bytes)} of it free;"
        f" {shown_size(found.wal_bytes)} of WAL beside it",
    )
    print_line(console, f"{counted(found.blobs, 'stored attachment')} beside it: {shown_size(found.blob_bytes)}")
    print_table(
        console,
        "Tables",
        ("table", "rows", "rows take", "indexes take"),
        ((one.name, one.rows, shown_size(one.table_bytes), shown_size(one.index_bytes)) for one in found.tables),
    )
    print_table(
        console,
        "Largest threads",
        ("thread", "events", "log", "messages", "activities", "diffs"),
        (
            (
                one.thread_id,
                one.events,
                *(shown_size(size) for size in (one.log_bytes, one.message_bytes, one.activity_bytes, one.diff_bytes)),
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
            (one.workspace if one.workspace_exists else f"{one.workspace} (gone)", one.name, shown_size(one.bytes))
            for one in found
        ),
    )
    if found:
        print_line(console, f"{shown_size(sum(one.bytes for one in found))} in all")
