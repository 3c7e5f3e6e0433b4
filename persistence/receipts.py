"""Receipts: a command's stored outcome, written in the transaction that appends its events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import orjson
import peewee

from ..contracts.ids import CommandId

_COLUMNS: Final = "command_id, aggregate_kind, aggregate_id, accepted_at, result_sequence, status, error"
_INSERT: Final = f"INSERT INTO orchestration_command_receipts ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"


class ReceiptRow(NamedTuple):
    """A row of `orchestration_command_receipts`. `error` is the rejection's reason."""

    command_id: str
    aggregate_kind: str
    aggregate_id: str
    accepted_at: str
    result_sequence: int
    status: str
    error: str | None


def find_receipts(database: peewee.SqliteDatabase, command_ids: Sequence[CommandId]) -> dict[str, ReceiptRow]:
    """The receipts of those of the commands that have one, in one query whatever their number."""
    if len(command_ids) == 1:
        where, parameter = "command_id = ?", str(command_ids[0])
    else:
        where, parameter = (
            "command_id IN (SELECT value FROM json_each(?))",
            orjson.dumps(list(command_ids)).decode(),
        )
    cursor = database.execute_sql(f"SELECT {_COLUMNS} FROM orchestration_command_receipts WHERE {where}", (parameter,))
    return {row[0]: ReceiptRow._make(row) for row in cursor.fetchall()}


def insert_receipts(database: peewee.SqliteDatabase, receipts: Sequence[ReceiptRow]) -> None:
    """Write receipts in the caller's transaction."""
    database.connection().executemany(_INSERT, receipts)
