"""The names of the files that a runtime keeps beside its database.

One list for all code that must not touch them, whatever they contain and whether they exist or not.
"""

from __future__ import annotations

from typing import Final

_ENDINGS: Final = (
    "",
    *("-wal", "-shm", "-journal"),
    *(".lock", ".owner", ".owner.new"),
    *(".rebuild", ".rebuild-wal", ".rebuild-shm", ".rebuild-journal"),
    *(".checkpoints", ".identity", "-blobs", ".frames"),
)

_OPENINGS: Final = ("-mj", ".unfinished-", ".owner.", ".rebuild.", ".checkpoints.", ".identity.", ".frames.")
"""What opens the endings of names that are made up: SQLite's super-journals, a backup that is being written."""


def is_own_name(name: str, database: str) -> bool:
    """Whether `name` is that of the database file `database` or of a file beside it that is the runtime's."""
    if not name.startswith(database):
        return False
    ending = name[len(database) :]
    return ending in _ENDINGS or ending.startswith(_OPENINGS)


def own_names(database: str) -> tuple[str, ...]:
    """The names beside the database file `database` that are known beforehand, its own first."""
    return tuple(f"{database}{ending}" for ending in _ENDINGS)


def databases_of(name: str) -> tuple[str, ...]:
    """The names of the databases beside which a runtime would make a file of this name; its own name first."""
    found = [name.removesuffix(ending) for ending in _ENDINGS if name.endswith(ending) and name != ending]
    for opening in _OPENINGS:
        place = name.rfind(opening)
        if place > 0:
            found.append(name[:place])
    return tuple(dict.fromkeys(found))
