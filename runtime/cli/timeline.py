"""`orchestrion timeline`: where the time of a thread went."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click
from rich.table import Table
from rich.text import Text

from ...contracts.read_model import SnapshotRequest
from ...persistence.event_store import EventPage, read_page
from ...persistence.inspection import open_at_one_cut
from ...persistence.snapshot import read_snapshot
from .output import cell, stdout_console, write_json
from .parameters import json_option
from .places import database_option, find_thread
from .spans import Span, read_spans

_PAGE_EVENTS: Final = 1000


@click.command()
@click.argument("thread", metavar="THREAD")
@database_option
@json_option
def timeline(thread: str, database: Path, as_json: bool) -> None:
    """Print what a thread did and how long each thing took. THREAD is as for `show`.

    Only reads DB; works while a runtime owns it.
    """
    with open_at_one_cut(database) as opened:
        thread_id = find_thread(read_snapshot(opened, SnapshotRequest(detail="summary")).threads, thread)
        events, has_more, after = [], True, 0
        while has_more:
            page = read_page(opened, EventPage(after=after, limit=_PAGE_EVENTS, thread_id=thread_id))
            events += page.events
            has_more, after = page.has_more, page.events[-1].sequence if page.events else after
    spans = read_spans(events)
    if as_json:
        write_json([_as_data(one) for one in spans])
        return
    console = stdout_console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("at", no_wrap=True)
    table.add_column("took", justify="right", no_wrap=True)
    table.add_column("what", no_wrap=True, overflow="ellipsis", ratio=1 if console.is_terminal else None)
    for span in spans:
        text = Text.assemble("  " * span.depth, cell(span.text))
        text.stylize("bold" if span.depth == 0 else "")
        table.add_row(span.began_at[11:23], _duration(span.seconds), text)
    console.print(table)


def _as_data(span: Span) -> dict[str, object]:
    return {
        "sequence": span.sequence,
        "text": span.text,
        "beganAt": span.began_at,
        "endedAt": span.ended_at,
        "isTurn": span.depth == 0,
    }


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"
