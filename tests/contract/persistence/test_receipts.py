"""Receipts: a command's outcome is found again in groups of any size, and never written twice."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import peewee
import pytest

from orchestrion.contracts.ids import CommandId
from orchestrion.persistence.database import prepare, write_transaction
from orchestrion.persistence.receipts import ReceiptRow, find_receipts, insert_receipts
from tests.support.builders import at


@pytest.fixture
def database(tmp_path: Path) -> Iterator[peewee.SqliteDatabase]:
    opened = prepare(tmp_path / "state.db", at(0))
    yield opened
    opened.close()


def accepted(command_id: str, sequence: int = 1) -> ReceiptRow:
    return ReceiptRow(command_id, "thread", "t1", at(0), sequence, "accepted", None)


def rejected(command_id: str, reason: str) -> ReceiptRow:
    return ReceiptRow(command_id, "project", "p1", at(1), 7, "rejected", reason)


def insert(database: peewee.SqliteDatabase, *receipts: ReceiptRow) -> None:
    with write_transaction(database, durability="full"):
        insert_receipts(database, receipts)


@pytest.mark.spec("W2", "E36", "E37", "E39")
def test_receipts_are_found_as_they_were_written(database: peewee.SqliteDatabase) -> None:
    first, second = accepted("c1", 3), rejected("c2", "because 'p1' is gone")
    insert(database, first, second)
    assert find_receipts(database, [CommandId("c1")]) == {"c1": first}
    asked = [CommandId("c2"), CommandId("c3"), CommandId("c1")]
    assert find_receipts(database, asked) == {"c1": first, "c2": second}
    assert find_receipts(database, []) == {}


def test_ids_with_quotes_and_signs_are_their_own(database: peewee.SqliteDatabase) -> None:
    odd = ["c'; DROP TABLE x; --", 'c"]', "ç\N{MUSICAL SCORE}", "C1", "c1"]
    insert(database, *(accepted(one) for one in odd))
    assert set(find_receipts(database, [CommandId(one) for one in odd])) == set(odd)
    assert set(find_receipts(database, [CommandId("c1"), CommandId("c2")])) == {"c1"}


def test_a_thousand_are_looked_up_in_one_query(database: peewee.SqliteDatabase) -> None:
    many = [CommandId(f"c{number}") for number in range(1_000)]
    insert(database, *(accepted(one) for one in many[::2]))
    assert set(find_receipts(database, many)) == set(many[::2])


@pytest.mark.spec("W2")
def test_a_second_receipt_for_a_command_takes_its_transaction_down(database: peewee.SqliteDatabase) -> None:
    insert(database, accepted("c1", 3))
    with pytest.raises(sqlite3.IntegrityError, match="command_id"):
        insert(database, accepted("c2"), rejected("c1", "no"))
    assert find_receipts(database, [CommandId("c1"), CommandId("c2")]) == {"c1": accepted("c1", 3)}
