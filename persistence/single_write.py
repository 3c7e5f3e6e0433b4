"""One separate write: a transaction of its own, with the contract's errors.

For rows that an actor writes beside the log (runtime rows, a reactor's position, diffs). Such a write says the same
when it is done again, so a commit whose outcome is unknown is an error like any other.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import peewee

from .database import Durability, reopen, write_transaction
from .failures import CommitOutcomeUnknown, translate_errors, translated


def write_alone(
    database: peewee.SqliteDatabase, write: Callable[[peewee.SqliteDatabase], None], *, durability: Durability
) -> None:
    """Run `write` in one transaction.

    Raises:
        StoreError: it was not written, or may not have been; it may be done again.
    """
    path = Path(database.database)
    with translate_errors(path):
        try:
            with write_transaction(database, durability=durability):
                write(database)
        except CommitOutcomeUnknown as error:
            reopen(database)
            raise translated(error.__cause__ or error, path) from error
