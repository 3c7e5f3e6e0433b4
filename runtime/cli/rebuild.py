"""`orchestrion rebuild`: rows of projections rebuilt from the log."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from ...contracts.errors import StoreError
from ...contracts.new_values import now
from ...persistence import rebuild as persisted
from ...persistence.bootstrap import ReplayRequest
from ...persistence.database import database_path, prepare
from ...persistence.event_store import read_head
from ...persistence.failures import translate_errors
from ...persistence.ownership import DatabaseLock
from ...persistence.projections import PROJECTIONS
from .output import print_line, stdout_console
from .parameters import database_argument
from .progress import replay_progress


@click.command()
@database_argument
@click.option(
    "--projector",
    "names",
    metavar="NAME",
    multiple=True,
    type=click.Choice([projection.name for projection in PROJECTIONS]),
    help="Rebuild only this projection. May be given several times. Default: all.",
)
def rebuild(database: Path, names: tuple[str, ...]) -> None:
    """Rebuild projections from the log and swap their rows and positions in one transaction.

    No runtime may own DB. If interrupted, the old rows stay.
    """
    projections = [one for one in PROJECTIONS if not names or one.name in names]
    path = database_path(database)
    if not path.exists():
        raise StoreError(f"{path} does not exist: check the path", path=str(path))
    opened_at = now()
    with (
        DatabaseLock(path, since=opened_at),
        closing(prepare(path, opened_at)) as writer,
        replay_progress("rebuilding") as progress,
        translate_errors(path),
    ):
        head = read_head(writer).sequence
        persisted.rebuild(writer, ReplayRequest(projections=projections, progress=progress))
    print_line(stdout_console(), f"Rebuilt from {head} events: {', '.join(one.name for one in projections)}")
