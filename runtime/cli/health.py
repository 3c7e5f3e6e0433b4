"""`orchestrion health`: the state of a database and of its sessions."""

from __future__ import annotations

from pathlib import Path

import attrs
import click
from rich.console import Console

from ...contracts.codec import to_json
from ...persistence.diagnosis import Diagnosis, diagnose
from ...persistence.identity import DatabaseCopy, copy_of, read_identity
from ...persistence.inspection import open_read_only
from ...persistence.ownership import Owner, read_owner
from .output import print_copy, print_line, print_table, stdout_console, write_json
from .parameters import database_argument, json_option
from .progress import replay_progress


@attrs.frozen(kw_only=True)
class _HealthReport:
    owner: Owner | None
    copy: DatabaseCopy | None
    diagnosis: Diagnosis


@click.command()
@database_argument
@json_option
@click.pass_context
def health(context: click.Context, database: Path, as_json: bool) -> None:
    """Show the owner, positions and lag, live sessions, open requests, and events that cannot be decoded.

    Only reads DB; works while a runtime owns it. Exits with 1 if an event cannot be decoded.
    """
    with open_read_only(database) as opened, replay_progress("reading") as progress:
        opened.execute_sql("BEGIN")
        found = _HealthReport(
            owner=read_owner(database),
            copy=copy_of(read_identity(opened, database)),
            diagnosis=diagnose(opened, progress=progress),
        )
    if as_json:
        write_json({"owner": to_json(found.owner), "copy": to_json(found.copy), **to_json(found.diagnosis)})
    else:
        _print(stdout_console(), found)
    context.exit(1 if found.diagnosis.quarantine else 0)


def _print(console: Console, found: _HealthReport) -> None:
    owner, diagnosis = found.owner, found.diagnosis
    print_line(
        console,
        "No process owns the database"
        if owner is None
        else f"Owned by process {owner.pid} on {owner.host} since {owner.since}",
    )
    print_copy(console, found.copy)
    print_line(console, f"The log has {diagnosis.head} events")
    print_table(
        console,
        "Positions",
        ("name", "position", "lag"),
        ((one.name, one.position, one.lag) for one in diagnosis.positions),
    )
    print_table(
        console,
        "Live sessions",
        ("thread", "provider", "session", "status", "last seen"),
        (
            (one.thread_id, one.provider_name, one.provider_session_id, one.status, one.last_seen_at)
            for one in diagnosis.live_sessions
        ),
    )
    print_table(
        console,
        "Open intents",
        ("sequence", "event", "thread", "asked at"),
        ((one.sequence, one.event_type, one.thread_id, one.occurred_at) for one in diagnosis.open_intents),
    )
    print_table(
        console,
        "Events that cannot be decoded",
        ("sequence", "event", "fault"),
        ((one.sequence, one.event_type, one.fault) for one in diagnosis.quarantine),
    )
