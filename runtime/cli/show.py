"""`orchestrion show`: a thread as a conversation."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click
import orjson
from rich.console import Console
from rich.markdown import Markdown
from rich.padding import Padding
from rich.text import Text

from ...contracts.codec import to_json
from ...contracts.read_model import SnapshotRequest, ThreadView
from ...contracts.values import Unset
from ...persistence.inspection import open_at_one_cut
from ...persistence.snapshot import read_snapshot
from .output import cell, excerpt, print_line, stdout_console, write_json
from .parameters import json_option
from .places import database_option, find_thread
from .threads import state_of
from .transcript import Entry, Mark, Spoken, Step, TurnHead, transcript

_MARKS: Final[dict[Mark, tuple[str, str]]] = {
    "done": ("✓", "green"),
    "failed": ("✗", "red"),
    "open": ("…", "yellow"),
    "note": ("·", "dim"),
    "error": ("!", "red"),
}


@click.command()
@click.argument("thread", metavar="THREAD")
@database_option
@click.option("--details", is_flag=True, help="Unfold every step: print what is recorded of it.")
@json_option
def show(thread: str, database: Path, details: bool, as_json: bool) -> None:
    """Print a thread as a conversation. THREAD is its id, the beginning or end of it, or `last`.

    On a terminal the agent's Markdown is rendered. Only reads DB; works while a runtime owns it.
    """
    with open_at_one_cut(database) as opened:
        known = read_snapshot(opened, SnapshotRequest(detail="summary")).threads
        thread_id = find_thread(known, thread)
        found = read_snapshot(opened, SnapshotRequest(thread_id=thread_id)).threads[0]
    if as_json:
        write_json(to_json(found))
        return
    console = stdout_console()
    _print_head(console, found)
    for entry in transcript(found):
        _print_entry(console, entry, details=details)
    _print_queue(console, found)
    for pending in found.pending_approvals:
        print_line(console, f"? waits for your answer: {pending.summary or pending.request_id}")


def _print_head(console: Console, thread: ThreadView) -> None:
    title = cell(thread.title)
    title.stylize("bold")
    console.print(title, soft_wrap=True)
    print_line(console, f"thread {thread.id}, {state_of(thread)}")


def _print_queue(console: Console, thread: ThreadView) -> None:
    """The waiting turns in the order in which they will run, each with the beginning of its message."""
    assert not isinstance(thread.messages, Unset)
    texts = {one.id: one.text for one in thread.messages}
    for turn in thread.queue:
        print_line(console, f"… waits to run: {excerpt(texts.get(turn.message_id, ''))}")


def _print_entry(console: Console, entry: Entry, *, details: bool) -> None:
    match entry:
        case TurnHead(turn=turn):
            console.print()
            console.print(
                Text(f"turn {turn.turn_count}, {turn.started_at}, {turn.status}", style="dim"), soft_wrap=True
            )
        case Spoken(message=message) if message.role == "user":
            console.print(Text.assemble(("> ", "bold cyan"), (_printable(message.text), "cyan")), soft_wrap=True)
        case Spoken(message=message):
            text = _printable(message.text)
            console.print(Markdown(text) if console.is_terminal else Text(text), soft_wrap=not console.is_terminal)
        case Step():
            _print_step(console, entry, details=details)


def _print_step(console: Console, step: Step, *, details: bool) -> None:
    mark, style = _MARKS[step.mark]
    line = Text.assemble((f"  {mark} ", style), cell(step.text))
    line.stylize("dim" if step.mark in ("done", "note") else style)
    if step.mark != "error":  # of an error every word is shown
        line.truncate(console.width, overflow="ellipsis")
    console.print(line, soft_wrap=True)
    if details and step.detail:
        shown = orjson.dumps(step.detail, option=orjson.OPT_INDENT_2).decode()
        console.print(Padding(Text(shown, style="dim"), (0, 0, 0, 6)))


def _printable(text: str) -> str:
    """An agent's text without control characters, which could write anywhere on a terminal."""
    return "".join(one for one in text if one.isprintable() or one in "\n\t")
