"""`orchestrion turn-diff`: what turns changed in a thread's workspace."""

from __future__ import annotations

from pathlib import Path

import click

from ...persistence.diff_blobs import find_diff
from ...persistence.inspection import open_read_only
from ..contracts.codec import to_json
from ..contracts.errors import TurnDiffNotFound
from ..contracts.ids import ThreadId
from ..contracts.read_model import TurnDiff, TurnDiffRequest
from ..contracts.values import Count
from .output import write_bytes, write_json
from .parameters import database_argument, json_option


@click.command(name="turn-diff")
@database_argument
@click.argument("thread", metavar="THREAD")
@click.argument("from_turn", metavar="FROM", type=click.IntRange(min=0))
@click.argument("to_turn", metavar="TO", type=click.IntRange(min=0))
@json_option
def turn_diff(database: Path, thread: str, from_turn: int, to_turn: int, as_json: bool) -> None:
    """Print the unified diff of THREAD's workspace from the end of turn FROM to the end of turn TO.

    Turn 0 is the state before the first one. Reads only. With --json, the result of `orchestration.getTurnDiff`.
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
    else:
        write_bytes(diff.encode())
