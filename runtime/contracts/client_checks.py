"""What is looked at in a client's command beyond the types of its fields, so that it means what it says everywhere.

- A directory is absolute: a relative one would mean another place in each process that reads it.
- Models, efforts, branches, directories, ids of scripts and names of attachments become arguments and file names: they
  have no control characters. Titles are shown and no more: whoever shows one escapes it.
- An attachment is what it says it is.

What older logs hold is read without these checks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, TypeAlias

from .attachments import attachment_fault
from .commands import Command, ProjectCreate, ProjectMetaUpdate, ThreadCreate, ThreadMetaUpdate, ThreadTurnStart
from .values import Unset

Fault: TypeAlias = tuple[str, str]
"""A JSON path and what is wrong there."""

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def client_faults(command: Command) -> Iterator[Fault]:
    """What is wrong with a command of a client; nothing for one that may be decided on."""
    match command:
        case ProjectCreate():
            yield from _directory("workspaceRoot", command.workspace_root)
            yield from _name("defaultModel", command.default_model)
        case ProjectMetaUpdate():
            yield from _directory("workspaceRoot", command.workspace_root)
            yield from _name("defaultModel", command.default_model)
            if not isinstance(command.scripts, Unset):
                for number, script in enumerate(command.scripts):
                    yield from _name(f"scripts[{number}].id", script.id)
        case ThreadCreate():
            yield from _name("model", command.model)
            yield from _name("branch", command.branch)
            yield from _directory("worktreePath", command.worktree_path)
        case ThreadMetaUpdate():
            yield from _name("model", command.model)
            yield from _name("branch", command.branch)
            yield from _directory("worktreePath", command.worktree_path)
        case ThreadTurnStart():
            yield from _name("model", command.model)
            yield from _name("effort", command.effort)
            yield from _attachments(command)
        case _:
            pass


def _attachments(command: ThreadTurnStart) -> Iterator[Fault]:
    for number, attachment in enumerate(command.message.attachments):
        path = f"message.attachments[{number}]"
        yield from _name(f"{path}.name", attachment.name)
        fault = attachment_fault(attachment)
        if fault is not None:
            yield f"{path}.{fault[0]}", fault[1]


def _directory(path: str, directory: str | Unset | None) -> Iterator[Fault]:
    yield from _name(path, directory)
    if isinstance(directory, str) and not directory.startswith("/"):
        yield path, f"{directory[:200]!r} is relative: give the absolute path, ~ is not expanded"


def _name(path: str, name: str | Unset | None) -> Iterator[Fault]:
    if isinstance(name, str) and _CONTROL.search(name):
        yield path, f"{name[:80]!r} has control characters"
