"""What a projection is, and the statements it is made of.

A projection turns events into the rows of one table. It holds no state: everything it knows is in the events
it is given and in its own rows, so the rows are the same however the log is cut into batches.

Statements are compiled once, when the module that owns them is imported: compiling is what Peewee's time goes
into. They name their parameters, and their tables without a schema, so that they run on any connection that has
the table, a rebuild's included.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, Protocol

import peewee

from ...contracts.events import PersistedEvent

Row = Mapping[str, object]
"""Parameters of a statement by name; of an insert, by column."""

_DIALECT: Final = peewee.SqliteDatabase(None)


class Projection(Protocol):
    """One table of the read model, and what each event does to it."""

    name: ClassVar[str]
    """Names its position in `projection_state`; never changes."""
    version: ClassVar[int]
    """Goes up when the meaning of the rows changes: they are then rebuilt from the log."""
    model: ClassVar[type[peewee.Model]]
    handles: ClassVar[frozenset[str]]
    """The event types that it takes part in."""

    def apply(self, database: peewee.SqliteDatabase, events: Sequence[PersistedEvent]) -> None:
        """Bring the rows from the last event before `events` to the last one in them.

        Runs inside the caller's transaction, which also moves the position. `events` are of types in `handles`, in
        order of sequence, none left out and none given twice. An event changes rows of its own stream only.

        Raises:
            peewee.DatabaseError, sqlite3.Error: a statement failed; the transaction is the caller's to roll back.
        """
        ...


def parameter(name: str) -> peewee.SQL:
    """The parameter `:name` of a statement."""
    return peewee.SQL(f":{name}")


def literal(text: str) -> peewee.SQL:
    """A text constant inside a statement, for what a partial index is conditioned on."""
    return peewee.SQL(f"'{text}'")


def listed(column: Any, name: str) -> Any:
    """Whether `column` is one of the texts in the JSON array that the parameter `:name` holds."""
    return column.in_(peewee.SQL(f"(SELECT value FROM json_each(:{name}))"))


def compiled(query: Any) -> str:
    """The text of `query`, whose only variable parts are parameters by name."""
    text, values = query.bind(_DIALECT).sql()
    if values:
        raise ValueError(f"a compiled statement has no values of its own, this one has {values}: {text}")
    return str(text)


def insert_unless_present(model: type[peewee.Model]) -> str:
    """Insert a row; where any of its keys is taken, leave the table as it is."""
    return compiled(model.insert(_own_parameters(model)).on_conflict(action="nothing"))


def upsert(model: type[peewee.Model], *, key: Sequence[Any], owner: Any = None, **changes: Any) -> str:
    """Insert a row, or update in place the one that has its `key`; never one of another `owner`.

    `changes` gives a column's new value; without any, every other column takes the new row's value.
    """
    kept = {field.name for field in (*key, owner) if field is not None}
    update = {getattr(model, column): value for column, value in changes.items()} or {
        field: getattr(peewee.EXCLUDED, field.column_name) for field in _fields(model) if field.name not in kept
    }
    guard = None if owner is None else owner == getattr(peewee.EXCLUDED, owner.column_name)
    insert = model.insert(_own_parameters(model))
    return compiled(insert.on_conflict(conflict_target=list(key), update=update, where=guard))


def execute_many(database: peewee.SqliteDatabase, statement: str, rows: Sequence[Row]) -> None:
    """Run `statement` once for each of `rows`, in their order.

    Raises:
        sqlite3.Error: a statement failed.
    """
    if rows:
        database.connection().executemany(statement, rows)


def _fields(model: type[peewee.Model]) -> list[Any]:
    fields: list[Any] = model._meta.sorted_fields
    return fields


def _own_parameters(model: type[peewee.Model]) -> dict[Any, peewee.SQL]:
    return {field: parameter(field.column_name) for field in _fields(model)}
