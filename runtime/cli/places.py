"""Where the database of a person is: what `--db` says, else `$ORCHESTRION_DB`, else a file in the state directory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import click

from ...contracts.errors import InvalidRequest, NotFound
from ...contracts.ids import ThreadId
from ...contracts.read_model import ThreadView

VARIABLE: Final = "ORCHESTRION_DB"


def default_database() -> Path:
    """`orchestrion/state.db` in `$XDG_STATE_HOME`, by default in `~/.local/state`."""
    home = os.environ.get("XDG_STATE_HOME", "")
    state = Path(home) if os.path.isabs(home) else Path.home() / ".local" / "state"
    return state / "orchestrion" / "state.db"


database_option: Final = click.option(
    "--db",
    "database",
    metavar="DB",
    type=click.Path(path_type=Path),
    envvar=VARIABLE,
    default=default_database,
    help=f"The database. Default: ${VARIABLE}, else ~/.local/state/orchestrion/state.db.",
)


def find_thread(threads: tuple[ThreadView, ...], name: str) -> ThreadId:
    """The thread of this id, or the one whose id begins or ends so; `last` is the one that changed last.

    Raises:
        NotFound: there is none.
        InvalidRequest: several ids begin or end so.
    """
    if name == "last" and threads:
        return max(threads, key=lambda one: (one.updated_at, one.created_at)).id
    ids = [one.id for one in threads]
    if name in ids:
        return ThreadId(name)
    found = [one for one in ids if one.startswith(name) or one.endswith(name)]
    if not found:
        raise NotFound("thread", name)
    if len(found) > 1:
        raise InvalidRequest("thread", f"{len(found)} threads begin or end with {name!r}: give more of the id")
    return found[0]
