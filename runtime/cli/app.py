"""The group of all commands, and how errors become one line and an exit status.

0 done, 1 finding or refusal, 2 usage, 129 hung up, 130 interrupted, 143 terminated. A reader of the output that goes
away ends the command silently with 1.
"""

from __future__ import annotations

import io
import os
import sys
from importlib import import_module
from typing import Final

import click

from ...contracts.errors import OrchestrionError
from .messages import bounded
from .signals import handle_signals

_NAME: Final = "orchestrion"
_STANDARD_ERROR: Final = 2
_AGENT_PACKAGES: Final = ("openai-codex", "claude-agent-sdk")

_COMMANDS: Final = {
    "agents": "List the agents that can be named, their versions and logins.",
    "attachment": "Write the bytes of a stored attachment to a file.",
    "backup": "Write a consistent copy of a database.",
    "chat": "Talk with an agent.",
    "checkpoints": "List, preview, restore or prune the captures of workspaces.",
    "demo": "Show a turn, a killed host, recovery and a resumed agent.",
    "dispatch": "Dispatch commands from standard input, JSON Lines in and out.",
    "events": "Print the log as JSON Lines.",
    "health": "Show the owner, positions, sessions and open requests.",
    "import": "Make threads of the conversations that an agent keeps.",
    "rebuild": "Rebuild projections from the log.",
    "repair": "Rebuild the projections that are wrong, then verify.",
    "run": "Run one turn of an agent and stream its text.",
    "sessions": "List provider sessions and the owner of the database.",
    "show": "Print a thread as a conversation.",
    "snapshot": "Show the read model.",
    "stats": "Show what takes space in a database.",
    "threads": "List the threads.",
    "timeline": "Show what a thread did and how long each thing took.",
    "turn-diff": "Print what turns changed in the workspace.",
    "verify": "Check a database and report its faults.",
}
"""Each command with its line in the list of commands. Its module and function have its name, with `_` for `-`."""

_NAMES: Final = {"import": "import_conversations"}
"""Modules of commands whose names are Python's own words."""


class _Commands(click.Group):
    """Imports a command's module when the command is named: every command starts without the modules of the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        name = _NAMES.get(cmd_name, cmd_name.replace("-", "_"))
        command = getattr(import_module(f".{name}", __package__), name)
        assert isinstance(command, click.Command), f"{name}.{name} is not a command"
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


def _show_version(context: click.Context, _: click.Parameter, is_asked: bool) -> None:
    """Print the versions that a report of a fault needs, and leave."""
    if not is_asked:
        return
    import platform
    import sqlite3
    from contextlib import suppress
    from importlib.metadata import PackageNotFoundError, version

    click.echo(f"{_NAME}, version {version(_NAME)}")
    click.echo(f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}")
    for package in _AGENT_PACKAGES:
        with suppress(PackageNotFoundError):
            click.echo(f"{package} {version(package)}")
    context.exit()


@click.group(name=_NAME, cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version, help="Print versions."
)
def app() -> None:
    """Run agents and inspect an Orchestrion database: its log, read model and sessions."""


def run(arguments: list[str] | None = None) -> int:
    """Run the command that `arguments` (of the process, if None) name, and return its exit status."""
    _open_missing_streams()
    handle_signals()
    try:
        with app.make_context(_NAME, sys.argv[1:] if arguments is None else arguments) as context:
            app.invoke(context)
            sys.stdout.flush()
    except BaseException as error:
        return _status_of(error)
    return 0


def _status_of(error: BaseException) -> int:
    """The exit status for an error of a command, after one line about it on standard error.

    A group of errors has the status of its first one. A defect of the command itself is raised again.
    """
    match cause := _first_of(error):
        case click.exceptions.Exit():
            return cause.exit_code
        case click.ClickException():
            shown = io.StringIO()
            cause.show(shown)
            print(bounded(shown.getvalue().rstrip()), file=sys.stderr)
            return cause.exit_code
        case SystemExit(code=int() as status):
            return status
        case KeyboardInterrupt() | click.Abort():
            return 130
        case BrokenPipeError():
            _forget_output()
            return 1
        case OrchestrionError() | OSError():
            print(f"{_NAME}: {bounded(' '.join(str(cause).split()))}", file=sys.stderr)
            return 1
        case _:
            raise cause


def _first_of(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _open_missing_streams() -> None:
    """Where the process was started without a standard stream, connect it to nowhere.

    Otherwise the next file that is opened, the database for one, would take its place.
    """
    while (opened := os.open(os.devnull, os.O_RDWR)) <= _STANDARD_ERROR:
        continue
    os.close(opened)
    if sys.stdin is None:
        sys.stdin = os.fdopen(0, closefd=False)
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", closefd=False)
    if sys.stderr is None:
        sys.stderr = os.fdopen(_STANDARD_ERROR, "w", closefd=False)


def _forget_output() -> None:
    """Let the interpreter flush what is left to nowhere instead of complaining."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
