"""`orchestrion verify`: every rule that the tables keep, checked on a copy."""

from __future__ import annotations

from pathlib import Path

import click

from ...contracts.codec import to_json
from ...persistence.verify import VerifyReport, verify_database
from .output import print_line, print_table, stdout_console, write_json
from .parameters import database_argument, json_option
from .progress import replay_progress


@click.command()
@database_argument
@json_option
@click.pass_context
def verify(context: click.Context, database: Path, as_json: bool) -> None:
    """Check DB: file, schema, gaps, receipts, positions, payloads; compare all rows with a fresh replay.

    Only reads DB; works while a runtime owns it. Exits with 1 if it finds anything wrong.
    """
    with replay_progress("verifying") as progress:
        report = verify_database(database, progress=progress)
    if as_json:
        write_json(to_json(report))
    else:
        _print_report(report)
    context.exit(1 if report.findings else 0)


def _print_report(report: VerifyReport) -> None:
    console = stdout_console()
    if not report.findings:
        print_line(console, f"Nothing found: {report.head} events and everything derived from them are correct")
        print_line(console, f"Open requests: {report.open_intents}")
        return
    print_table(
        console,
        f"Findings ({len(report.findings)})",
        ("check", "where", "fault", "repair"),
        (
            (one.check, one.where, one.fault, "restore a backup" if one.projector is None else "orchestrion repair")
            for one in report.findings
        ),
    )
    if report.left_out:
        print_line(console, f"Not checked because of that: {', '.join(report.left_out)}")
