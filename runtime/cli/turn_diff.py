"""`orchestrion turn-diff`: what turns changed in a thread's workspace."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import click

from ...contracts.codec import to_json
from ...contracts.errors import TurnDiffNotFound
from ...contracts.ids import ThreadId
from ...contracts.read_model import TurnDiff, TurnDiffRequest
from ...contracts.scalars import MAX_JSON_INTEGER
from ...contracts.values import Count
from ...persistence.diff_blobs import find_diff
from ...persistence.inspection import open_read_only
from .output import cell, stdout_console, write_bytes, write_json
from .parameters import database_argument, json_option


class _TurnRange(click.Command):
    """Names a negative turn, which would be taken for an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        for argument in args[: args.index("--")] if "--" in args else args:
            if re.fullmatch(r"-\d+", argument):
                raise click.UsageError(f"{argument} is not a turn: turns count from 0", ctx)
        return super().parse_args(ctx, args)


@click.command(name="turn-diff", cls=_TurnRange)
@database_argument
@click.argument("thread", metavar="THREAD")
@click.argument("from_turn", metavar="FROM", type=click.IntRange(0, MAX_JSON_INTEGER))
@click.argument("to_turn", metavar="TO", type=click.IntRange(0, MAX_JSON_INTEGER))
@json_option
def turn_diff(database: Path, thread: str, from_turn: int, to_turn: int, as_json: bool) -> None:
    """Print what THREAD's turns after FROM, up to TO, changed in its workspace, as a unified diff.

    Use FROM = TO - 1 for the changes of one turn, from its start to its end. Use FROM = 0 for everything since the
    first turn began, including edits between turns. Coloured on a terminal. Only reads DB. --json prints the result
    of `orchestration.getTurnDiff`.
    """
    if from_turn > to_turn:
        raise click.UsageError(f"FROM {from_turn} is after TO {to_turn}")
    thread_id = ThreadId(thread)
    request = TurnDiffRequest(thread_id=thread_id, from_turn_count=from_turn, to_turn_count=to_turn)
    with open_read_only(database) as opened:
        diff = "" if from_turn == to_turn else find_diff(opened, request)
    if diff is None:
        raise TurnDiffNotFound(thread_id, from_turn, to_turn)
    if as_json:
        found = TurnDiff(thread_id=thread_id, from_turn_count=Count(from_turn), to_turn_count=Count(to_turn), diff=diff)
        write_json(to_json(found))
    elif sys.stdout.isatty():
        _print_in_colour(diff)
    else:
        write_bytes(diff.encode())


def _print_in_colour(diff: str) -> None:
    """The diff for a person: lines coloured by what they are. Content comes from agents: no control character of it."""
    console = stdout_console()
    in_hunk = False
    for line in diff.split("\n")[:-1]:
        if line.startswith("diff --git "):
            in_hunk = False
        elif line.startswith("@@"):
            in_hunk = True
        shown = cell(line.expandtabs())
        shown.stylize(_style(line, in_hunk=in_hunk))
        console.print(shown, soft_wrap=True)


def _style(line: str, *, in_hunk: bool) -> str:
    if not in_hunk:
        return "bold"
    match line[:1]:
        case "+":
            return "green"
        case "-":
            return "red"
        case "@":
            return "cyan"
        case "\\" | "#":
            return "dim"
        case _:
            return ""
