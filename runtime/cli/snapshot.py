"""`orchestrion snapshot`: the read model at one sequence."""

from __future__ import annotations

from pathlib import Path

import click

from ...contracts.codec import to_json
from ...contracts.ids import ThreadId
from ...contracts.read_model import SnapshotRequest
from ...contracts.values import UNSET
from ...persistence.inspection import open_at_one_cut
from ...persistence.snapshot import read_snapshot
from .output import stdout_console, write_json
from .parameters import database_argument, json_option
from .snapshot_tables import print_snapshot


@click.command()
@database_argument
@click.option("--thread", "thread_id", metavar="ID", help="Only this thread and its project.")
@click.option("--summary", is_flag=True, help="Leave out messages, activities and checkpoints.")
@json_option
def snapshot(database: Path, thread_id: str | None, summary: bool, as_json: bool) -> None:
    """Show the read model.

    Only reads DB; works while a runtime owns it. --json prints the result of `orchestration.getSnapshot`.
    """
    request = SnapshotRequest(
        thread_id=UNSET if thread_id is None else ThreadId(thread_id), detail="summary" if summary else "full"
    )
    with open_at_one_cut(database) as opened:
        taken = read_snapshot(opened, request)
    if as_json:
        write_json(to_json(taken))
    else:
        print_snapshot(stdout_console(), taken)
