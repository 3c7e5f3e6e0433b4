"""The command of an agent as a host gives it."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["checked_command"]


def checked_command(command: Sequence[str]) -> tuple[str, ...]:
    """A program and its arguments.

    Raises:
        TypeError: the command is one text, which would be taken for a sequence of letters, or holds what is no text.
        ValueError: it names no program.
    """
    if isinstance(command, str | bytes):
        raise TypeError(
            f"a command is a sequence of a program and its arguments, not one text: [{command!r}], or what shlex.split"
            " makes of it"
        )
    parts = tuple(command)
    if not all(isinstance(part, str) for part in parts):
        raise TypeError(f"a command's program and arguments are text: {parts!r}")
    if not parts or not parts[0]:
        raise ValueError("an agent's command names at least its program")
    return parts
