"""`orchestrion threads`: the threads of a database, the one that changed last first."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.table import Table

from ...contracts.codec import to_json
from ...contracts.read_model import Snapshot, SnapshotRequest, ThreadView
from ...persistence.inspection import open_at_one_cut
from ...persistence.snapshot import read_snapshot
from .output import cell, print_line, stdout_console, write_json
from .places import database_option

_WIDE: Final = 100
_AT_WORK: Final = {"running": "works", "starting": "starts"}


@click.command()
@database_option
@click.option("--deleted", is_flag=True, help="Also list deleted threads.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array instead of a table.")
def threads(database: Path, deleted: bool, as_json: bool) -> None:
    """List the threads, the one that changed last first.

    Only reads DB; works while a runtime owns it. `orchestrion show ID` prints one of them.
    """
    with open_at_one_cut(database) as opened:
        snapshot = read_snapshot(opened, SnapshotRequest(detail="summary"))
    listed = sorted(
        (one for one in snapshot.threads if deleted or one.deleted_at is None),
        key=lambda one: (one.updated_at, one.id),
        reverse=True,
    )
    if as_json:
        write_json([to_json(one) for one in listed])
    elif listed:
        _print_threads(stdout_console(), snapshot, listed)
    else:
        print_line(stdout_console(), "There are no threads: start one with orchestrion run, or with open_thread")


def _print_threads(console: Console, snapshot: Snapshot, listed: list[ThreadView]) -> None:
    """Narrow terminals get less: the title is cut, the workspace is left out."""
    roots = {one.id: one.workspace_root for one in snapshot.projects}
    table = Table(box=None, pad_edge=False, header_style="bold")
    ratio = 1 if console.is_terminal else None
    table.add_column("thread", no_wrap=True)
    table.add_column("title", no_wrap=True, overflow="ellipsis", ratio=ratio)
    table.add_column("state", no_wrap=True)
    table.add_column("turns", justify="right", no_wrap=True)
    is_wide = console.width >= _WIDE
    if is_wide:
        table.add_column("changed", no_wrap=True)
        table.add_column("workspace", no_wrap=True, overflow="ellipsis", ratio=ratio)
    for one in listed:
        row: list[object] = [one.id, one.title, state_of(one), len(one.turns)]
        if is_wide:
            row += [one.updated_at[:19].replace("T", " "), one.worktree_path or roots.get(one.project_id)]
        table.add_row(*(cell(value) for value in row))
    console.print(table)


def state_of(thread: ThreadView) -> str:
    """What a person wants to know of a thread: whether it waits for them, works, or failed."""
    if thread.deleted_at is not None:
        return "deleted"
    if thread.pending_approvals:
        return "waits for you"
    if thread.session is None:
        return "new"
    if thread.session.status in _AT_WORK:
        return _AT_WORK[thread.session.status]
    return "failed" if thread.turns and thread.turns[-1].status == "error" else "idle"
