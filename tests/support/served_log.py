"""A log that a host served from real dispatches, on a file, with the rows that were projected live."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import peewee

from orchestrion.contracts.errors import CommandRejected
from orchestrion.contracts.values import EPOCH
from orchestrion.persistence.projections import PROJECTIONS
from tests.support.core import ScriptedMint, envelopes_of, open_core
from tests.support.projection_scenarios import rows_of
from tests.support.random_commands import RandomRun

Tables = dict[str, list[tuple[Any, ...]]]

TABLES = tuple(one.model._meta.table_name for one in PROJECTIONS)


async def serve(path: Path, run: RandomRun, group: int, cuts: list[int]) -> None:
    """Dispatch a run, closing and opening the file before the commands in `cuts`."""
    mint, envelopes = ScriptedMint(run), envelopes_of(run)
    bounds = sorted({0, *cuts, len(envelopes)})
    for first, last in pairwise(bounds):
        async with open_core(path, mint=mint, loaded_threads=3) as core:
            mint.begin()
            for start in range(first, last, group):
                submissions = [await core.dispatcher.submit(one) for one in envelopes[start : min(last, start + group)]]
                for submission in submissions:
                    try:
                        await submission.result()
                    except CommandRejected:
                        continue
            mint.pause()


def tables_of(database: peewee.SqliteDatabase) -> Tables:
    """Every projection's rows in order of arrival, and the positions."""
    tables: Tables = {one.model._meta.table_name: rows_of(database, one.model) for one in PROJECTIONS}
    tables["projection_state"] = database.execute_sql("SELECT * FROM projection_state ORDER BY projector").fetchall()
    return tables


def forget_rows(path: Path) -> None:
    """Empty every projection and put its position back to 0."""
    with closing(sqlite3.connect(path)) as connection, connection:
        for table in TABLES:
            connection.execute(f"DELETE FROM {table}")
        connection.execute("UPDATE projection_state SET last_applied_sequence = 0, updated_at = ?", (EPOCH,))


def copy_prefix(path: Path, copy: Path, sequence: int) -> None:
    """Copy a file that no process has open, with its attachments, its log cut after an event and nothing projected."""
    shutil.copyfile(path, copy)
    attachments = path.with_name(f"{path.name}-blobs")
    if attachments.is_dir():
        shutil.copytree(attachments, copy.with_name(f"{copy.name}-blobs"))
    with closing(sqlite3.connect(copy)) as connection, connection:
        connection.execute("DELETE FROM orchestration_events WHERE sequence > ?", (sequence,))
        connection.execute("DELETE FROM orchestration_command_receipts WHERE result_sequence > ?", (sequence,))
    forget_rows(copy)
