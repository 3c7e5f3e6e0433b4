"""The command: plays the story, prints what happened, and exits 0 only if every guarantee held."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import click
from rich.console import Console

from ....contracts.codec import to_json
from ....contracts.event_codec import event_json
from ....contracts.events import (
    LoggedEvent,
    PersistedEvent,
    ProjectCreated,
    ThreadActivityAppended,
    ThreadApprovalResponseRequested,
    ThreadCreated,
    ThreadMessageSent,
    ThreadSessionSetEvent,
    ThreadTurnDiffCompleted,
)
from ....contracts.values import Session
from ..output import excerpt, print_line, print_table, stderr_console, stdout_console, write_bytes, write_json
from ..parameters import json_option
from ..signals import run_until_signal
from ..snapshot_tables import print_snapshot
from .checks import Check, checks
from .script import Stage
from .story import Story, play


@click.command()
@json_option
@click.option(
    "--keep",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep the database and the workspace in DIR, which must be empty or not exist.",
)
@click.pass_context
def demo(context: click.Context, as_json: bool, keep: Path | None) -> None:
    """Show the whole story: a turn, a killed host, recovery, a resumed agent.

    Uses the rehearsal agent that comes with Orchestrion, in a temporary git workspace. Needs no network and no model.
    """
    say = _narrator(as_json)
    with _stage(keep) as stage:
        story = run_until_signal(partial(play, stage, say))
        results = checks(story)
        if as_json:
            write_json(_document(story, results, stage if keep else None))
        else:
            _print(stdout_console(), story, results)
            if keep is not None:
                click.echo(f"Kept in {stage.directory}")
    context.exit(0 if all(check.held for check in results) else 1)


def _narrator(as_json: bool) -> Callable[[str], None]:
    console = stderr_console() if as_json else stdout_console()
    return lambda line: print_line(console, line)


@contextmanager
def _stage(keep: Path | None) -> Iterator[Stage]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="orchestrion-demo-") as directory:
            yield Stage(directory=Path(directory).resolve())
        return
    keep.mkdir(parents=True, exist_ok=True)
    if any(keep.iterdir()):
        raise click.UsageError(f"{keep} is not empty")
    yield Stage(directory=keep.resolve())


def _document(story: Story, results: tuple[Check, ...], kept: Stage | None) -> dict[str, object]:
    return {
        "ok": all(check.held for check in results),
        "checks": to_json(results),
        "recovery": [event_json(event) for event in story.timeline if event.actor_kind == "server"],
        "timeline": [event_json(event) for event in story.timeline],
        "snapshot": to_json(story.snapshot),
        "turnDiff": to_json(story.diff),
        "directory": None if kept is None else str(kept.directory),
    }


def _print(console: Console, story: Story, results: tuple[Check, ...]) -> None:
    print_table(
        console,
        "Timeline",
        ("sequence", "by", "event", "what"),
        ((event.sequence, event.actor_kind, event.event_type, _summary_of(event)) for event in story.timeline),
    )
    print_snapshot(console, story.snapshot)
    print_line(console, "Diff of turn 1")
    write_bytes(story.diff.diff.encode())
    print_table(
        console,
        "What recovery did",
        ("sequence", "event", "what"),
        (
            (event.sequence, event.event_type, _summary_of(event))
            for event in story.timeline
            if event.actor_kind == "server"
        ),
    )
    print_table(
        console,
        "Guarantees",
        ("held", "guarantee", "seen"),
        (("yes" if check.held else "NO", check.guarantee, check.seen) for check in results),
    )
    held = sum(check.held for check in results)
    print_line(console, f"{held} of {len(results)} guarantees held")


def _summary_of(event: LoggedEvent) -> str:
    """An event's content on one line; "" where its type is enough."""
    if not isinstance(event, PersistedEvent):
        return f"does not decode: {event.fault}"
    match event.payload:
        case ProjectCreated(title=title) | ThreadCreated(title=title):
            return title
        case ThreadMessageSent(streaming=False, text=""):
            return "the message is complete"
        case ThreadMessageSent(role=role, text=text):
            return f"{role}: {excerpt(text)}"
        case ThreadSessionSetEvent(session=session):
            return _session(session)
        case ThreadActivityAppended(activity=activity):
            return f"{activity.kind}: {excerpt(activity.summary)}"
        case ThreadApprovalResponseRequested(decision=decision):
            return decision
        case ThreadTurnDiffCompleted(files=files):
            return ", ".join(f"{file.path} +{file.additions} -{file.deletions}" for file in files) or "no files"
        case _:
            return ""


def _session(session: Session) -> str:
    turn = "" if session.active_turn_id is None else ", a turn is active"
    error = "" if session.last_error is None else f": {excerpt(session.last_error)}"
    return f"{session.status}{turn}{error}"
