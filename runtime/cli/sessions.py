"""`orchestrion sessions`: the lives of agent processes, and who owns the database."""

from __future__ import annotations

from pathlib import Path

import attrs
import click

from ...contracts.codec import to_json
from ...persistence.inspection import open_read_only
from ...persistence.ownership import Owner, read_owner
from ...persistence.provider_runtime import ProviderRuntimeRow, read_runtimes
from .output import print_line, print_table, stdout_console, write_json
from .parameters import database_argument, json_option


@attrs.frozen(kw_only=True)
class _SessionRow:
    """A row of `provider_session_runtime`. `is_current`: the thread's session names it."""

    provider_session_id: str
    thread_id: str
    provider_name: str
    adapter_key: str
    provider_thread_id: str | None
    status: str
    last_seen_at: str
    has_resume_cursor: bool
    is_current: bool


@attrs.frozen(kw_only=True)
class _SessionList:
    owner: Owner | None
    sessions: tuple[_SessionRow, ...]


@click.command()
@database_argument
@json_option
def sessions(database: Path, as_json: bool) -> None:
    """List provider sessions, oldest first, and the process that owns DB.

    Only reads DB; works while a runtime owns it.
    """
    with open_read_only(database) as opened:
        opened.execute_sql("BEGIN")
        rows = read_runtimes(opened)
        named = opened.execute_sql("SELECT provider_session_id FROM projection_thread_sessions").fetchall()
    current = {session_id for (session_id,) in named}
    found = _SessionList(owner=read_owner(database), sessions=tuple(_session(row, current) for row in rows))
    if as_json:
        write_json(to_json(found))
    else:
        _print_sessions(found)


def _session(row: ProviderRuntimeRow, current: set[str | None]) -> _SessionRow:
    return _SessionRow(
        provider_session_id=row.provider_session_id,
        thread_id=row.thread_id,
        provider_name=row.provider_name,
        adapter_key=row.adapter_key,
        provider_thread_id=row.provider_thread_id,
        status=row.status,
        last_seen_at=row.last_seen_at,
        has_resume_cursor=row.resume_cursor_json is not None,
        is_current=row.provider_session_id in current,
    )


def _print_sessions(found: _SessionList) -> None:
    console = stdout_console()
    owner = found.owner
    print_line(
        console,
        "No process owns the database"
        if owner is None
        else f"Owned by process {owner.pid} on {owner.host} since {owner.since}",
    )
    print_table(
        console,
        "Sessions",
        ("session", "thread", "provider", "adapter", "agent's thread", "status", "last seen", "resumes", "current"),
        (
            (
                one.provider_session_id,
                one.thread_id,
                one.provider_name,
                one.adapter_key,
                one.provider_thread_id,
                one.status,
                one.last_seen_at,
                "yes" if one.has_resume_cursor else "no",
                "yes" if one.is_current else "no",
            )
            for one in found.sessions
        ),
    )
