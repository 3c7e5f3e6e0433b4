"""The rows of every projection equal a simple model's, for any log in any batches.

Each projection runs in a database that has only its own table, so that it can read nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Final

import peewee
import pytest
from hypothesis import example, given, settings

from orchestrion.persistence.models import ALL_MODELS
from orchestrion.persistence.projections import PROJECTIONS, Projection
from tests.support.event_strategies import cut_logs
from tests.support.examples import examples
from tests.support.payloads import completion, delta, reverted
from tests.support.projection_oracle import fold
from tests.support.projection_scenarios import Batch, Occurrence, persisted, project, projection_database, rows_of

_TAKEN_OVER: Final = list(
    persisted(
        Occurrence(payload)
        for payload in (
            delta("a"),
            delta("b", thread="thread-2"),
            reverted(0, messages=("message-1",)),
            delta("c", thread="thread-2"),
            completion(thread="thread-2"),
        )
    )
)


@pytest.fixture(scope="module")
def databases() -> Iterator[list[tuple[Projection, peewee.SqliteDatabase]]]:
    """A database for each projection, with only its table."""
    with ExitStack() as opened:
        pairs = [(projection, opened.enter_context(projection_database())) for projection in PROJECTIONS]
        for projection, database in pairs:
            for model in ALL_MODELS:
                if model is not projection.model:
                    database.execute_sql(f"DROP TABLE {model._meta.table_name}")
        yield pairs


@pytest.mark.spec("P32", "P33", "P36")
@settings(max_examples=examples(300))
@given(batches=cut_logs())
@example(batches=[_TAKEN_OVER])
def test_rows_equal_the_oracles(
    batches: list[Batch], databases: list[tuple[Projection, peewee.SqliteDatabase]]
) -> None:
    expected = fold(event for batch in batches for event in batch)
    for projection, database in databases:
        table = projection.model._meta.table_name
        database.execute_sql(f"DELETE FROM {table}")
        for batch in batches:
            project(database, batch, [projection])
        assert rows_of(database, projection.model) == expected[table], table
