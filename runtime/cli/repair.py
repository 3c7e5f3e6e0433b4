"""`orchestrion repair`: what can be repaired by replaying the log, and nothing else."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from ...contracts.new_values import now
from ...persistence.bootstrap import ReplayRequest
from ...persistence.database import database_path, prepare
from ...persistence.failures import translate_errors
from ...persistence.ownership import DatabaseLock
from ...persistence.projections import PROJECTIONS
from ...persistence.rebuild import rebuild
from ...persistence.verify import verify_database
from .output import print_line, print_table, stdout_console
from .parameters import database_argument
from .progress import replay_progress


@click.command()
@database_argument
@click.pass_context
def repair(context: click.Context, database: Path) -> None:
    """Rebuild the projections whose rows or positions are wrong according to `verify`.

    No runtime may own DB. The log, receipts, diffs and cursors are never changed; if one of those is damaged, restore a
    backup. Exits with 1 if damage is left that a replay cannot repair.
    """
    console = stdout_console()
    path = database_path(database)
    with replay_progress("verifying") as progress:
        before = verify_database(path, progress=progress)
    if before.repairable:
        opened_at = now()
        projections = [one for one in PROJECTIONS if one.name in before.repairable]
        with (
            DatabaseLock(path, since=opened_at),
            closing(prepare(path, opened_at)) as writer,
            replay_progress("rebuilding") as progress,
            translate_errors(path),
        ):
            rebuild(writer, ReplayRequest(projections=projections, progress=progress))
        print_line(console, f"Rebuilt: {', '.join(before.repairable)}")
    else:
        print_line(console, "Nothing to repair by a replay")
    left = [one for one in before.findings if one.projector is None]
    if left:
        print_table(
            console,
            f"Left as they are: restore a backup ({len(left)})",
            ("check", "where", "fault"),
            ((one.check, one.where, one.fault) for one in left),
        )
    context.exit(1 if left else 0)
