"""What commands print: JSON for programs as bytes, tables for people with rich.

Ids, titles and texts come from agents and hosts, so a table shows no control character of theirs. Colours are left out
and nothing is cut to a width where the output is no terminal.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any, Final

import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ...persistence.identity import DatabaseCopy

_UNBOUNDED_WIDTH: Final = 10_000
_EXCERPT: Final = 100
_UNIT: Final = 1024


def write_json(value: Any) -> None:
    """One line of JSON, flushed."""
    write_bytes(orjson.dumps(value) + b"\n")


def write_bytes(content: bytes) -> None:
    """All of it, flushed. A stream without a buffer, as `python -u` has it, may take only a part."""
    left = memoryview(content)
    while left:
        left = left[sys.stdout.buffer.write(left) :]
    sys.stdout.buffer.flush()


class _PipedConsole(Console):
    """A console whose reader may go away: that is a BrokenPipeError, as it is for every other write."""

    def on_broken_pipe(self) -> None:
        raise  # noqa: PLE0704 - rich calls this while it handles the BrokenPipeError


def stdout_console() -> Console:
    return _PipedConsole(width=None if sys.stdout.isatty() else _UNBOUNDED_WIDTH, highlight=False)


def stderr_console() -> Console:
    return _PipedConsole(stderr=True, width=None if sys.stderr.isatty() else _UNBOUNDED_WIDTH, highlight=False)


def print_table(console: Console, title: str, headers: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table with a title, or one line where it would be empty."""
    table = Table(title=cell(title), title_justify="left", title_style="bold")
    for header in headers:
        table.add_column(header, overflow="fold")
    for row in rows:
        table.add_row(*(cell(value) for value in row))
    if table.row_count:
        console.print(table)
    else:
        print_line(console, f"{title}: none")


def print_line(console: Console, text: str) -> None:
    console.print(cell(text), soft_wrap=True)


def print_copy(console: Console, copy: DatabaseCopy | None) -> None:
    """Say that the database is a copy of another one, where it is."""
    if copy is None:
        return
    asked = "; what is queued in it is cancelled when a runtime with agents opens it" if copy.is_new else ""
    print_line(console, f"A copy of the database {copy.original}{asked}")


def cell(value: object) -> Text:
    """A value as shown in a table: no markup, no control characters, a dash for None."""
    if value is None:
        return Text("-", style="dim")
    return Text("".join(shown if shown.isprintable() else " " for shown in str(value)))


def excerpt(text: str) -> str:
    """The beginning of a text on one line, with its full length if it is cut."""
    line = " ".join(text.split())
    return line if len(line) <= _EXCERPT else f"{line[:_EXCERPT]}… ({len(text)} characters)"


def shown_size(size: float) -> str:
    """A number of bytes with a unit."""
    for unit in ("B", "KiB", "MiB"):
        if size < _UNIT:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= _UNIT
    return f"{size:.1f} GiB"


def counted(number: int, noun: str) -> str:
    """A number and its noun, in the plural where it is not 1."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
