"""How a replay goes, on standard error, for people only."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ...persistence.bootstrap import ProgressListener, ReplayProgress
from .output import stderr_console


@contextmanager
def replay_progress(description: str) -> Iterator[ProgressListener | None]:
    """A listener that moves a bar, or None where standard error is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=stderr_console(), transient=True) as progress:
        task = progress.add_task(description, total=None)

        def listen(made: ReplayProgress) -> None:
            progress.update(task, completed=made.applied, total=made.head)

        yield listen
