"""The command of an agent as a host gives it."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["check_command"]


def check_command(command: Sequence[str]) -> tuple[str, ...]:
    """A program and its arguments.

    Raises:
        TypeError: the command is one string instead of a sequence, or contains something other than strings.
        ValueError: the command does not name a program.
    """
    if isinstance(command, str | bytes):
        raise TypeError(
            f"a command is a sequence of a program and its arguments, not one text: use [{command!r}] or shlex.split"
        )
    parts = tuple(command)
    if not all(isinstance(part, str) for part in parts):
        raise TypeError(f"a command's program and arguments are text: {parts!r}")
    if not parts or not parts[0]:
        raise ValueError("an agent's command names at least its program")
    return parts
