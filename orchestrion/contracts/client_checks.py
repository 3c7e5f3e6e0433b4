"""Checks of a client's command beyond the types of its fields, so that it means the same everywhere.

- A directory is absolute: a relative one would mean another place in each process that reads it.
- Models, providers, efforts, branches, directories, ids of scripts and names of attachments become arguments and file
  names: they have no control characters. Titles are only shown: the code that shows one escapes it.
- Names and titles have at most 2 KiB, directories 4,096 bytes, as UTF-8: they are repeated in events, rows, errors and
  arguments.

What older logs hold is read without these checks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, TypeAlias

from .commands import (
    Command,
    ProjectCreate,
    ProjectMetaUpdate,
    ThreadCreate,
    ThreadMetaUpdate,
    ThreadTurnStart,
    ThreadTurnSteer,
)
from .values import Unset

Fault: TypeAlias = tuple[str, str]
"""A JSON path and what is wrong there."""

MAX_NAME_BYTES: Final = 2048
"""What a name or a title of a client may have, as UTF-8."""

MAX_DIRECTORY_BYTES: Final = 4096

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def client_faults(command: Command) -> Iterator[Fault]:
    """What is wrong with a command of a client; nothing for one that may be decided on."""
    match command:
        case ProjectCreate():
            yield from _length("title", command.title)
            yield from _directory("workspaceRoot", command.workspace_root)
            yield from _name("defaultModel", command.default_model)
        case ProjectMetaUpdate():
            yield from _length("title", command.title)
            yield from _directory("workspaceRoot", command.workspace_root)
            yield from _name("defaultModel", command.default_model)
            if not isinstance(command.scripts, Unset):
                for number, script in enumerate(command.scripts):
                    yield from _name(f"scripts[{number}].id", script.id)
                    yield from _length(f"scripts[{number}].name", script.name)
        case ThreadCreate():
            yield from _length("title", command.title)
            yield from _name("model", command.model)
            yield from _name("provider", command.provider)
            yield from _name("branch", command.branch)
            yield from _directory("worktreePath", command.worktree_path)
        case ThreadMetaUpdate():
            yield from _length("title", command.title)
            yield from _name("model", command.model)
            yield from _name("branch", command.branch)
            yield from _directory("worktreePath", command.worktree_path)
        case ThreadTurnStart():
            yield from _name("model", command.model)
            yield from _name("effort", command.effort)
            yield from _attachment_names(command)
        case ThreadTurnSteer():
            yield from _attachment_names(command)
        case _:
            pass


def _attachment_names(command: ThreadTurnStart | ThreadTurnSteer) -> Iterator[Fault]:
    for number, attachment in enumerate(command.message.attachments):
        yield from _name(f"message.attachments[{number}].name", attachment.name)


def _directory(path: str, directory: str | Unset | None) -> Iterator[Fault]:
    yield from _printable(path, directory)
    yield from _length(path, directory, most=MAX_DIRECTORY_BYTES)
    if isinstance(directory, str) and not directory.startswith("/"):
        yield path, f"{directory[:200]!r} is relative: give the absolute path, ~ is not expanded"


def _name(path: str, name: str | Unset | None) -> Iterator[Fault]:
    yield from _printable(path, name)
    yield from _length(path, name)


def _length(path: str, text: str | Unset | None, *, most: int = MAX_NAME_BYTES) -> Iterator[Fault]:
    if isinstance(text, str) and (size := len(text.encode("utf-8", "surrogatepass"))) > most:
        yield path, f"it has {size} bytes, at most {most}"


def _printable(path: str, name: str | Unset | None) -> Iterator[Fault]:
    if isinstance(name, str) and _CONTROL.search(name):
        yield path, f"{name[:80]!r} has control characters"
