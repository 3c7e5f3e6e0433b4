"""The schema's history, one numbered file a step, and what brings a database to its end.

A file that has landed is never edited: its text is in the ledger of every database it has run on. A change of the
schema is the next file.
"""

from __future__ import annotations

if __name__ == "migrations":
    raise ImportError("import orchestrion.migrations, not migrations")

from .runner import (
    APPLICATION_ID,
    READABLE_FROM,
    BrokenChain,
    EditedMigration,
    ForeignSchema,
    MigrationError,
    NewerSchema,
    OutdatedSchema,
    check,
    migrate,
)

__all__ = [
    "APPLICATION_ID",
    "READABLE_FROM",
    "BrokenChain",
    "EditedMigration",
    "ForeignSchema",
    "MigrationError",
    "NewerSchema",
    "OutdatedSchema",
    "check",
    "migrate",
]
