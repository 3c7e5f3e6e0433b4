"""The command line that runs an agent under a guardian (`guardian.py`)."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from . import guardian

__all__ = ["guarded_command"]


def guarded_command(
    command: Sequence[str],
    *,
    grace_seconds: float = 0.5,
    lifeline: int | None = None,
    python: str | None = None,
) -> list[str]:
    """The command that runs `command` under a guardian. This very process has to start it.

    `command` names its program by path, or by a name that the PATH of the environment finds. `lifeline` is the number
    of the reading end of a pipe that the guardian inherits; only this process has the writing end. Every 0.25 seconds
    the guardian checks that this process is still its parent. `python` is the interpreter, by default this process's
    own.

    Raises:
        FileNotFoundError: the guardian's source cannot be read, as in an application that was frozen without sources.
    """
    options = [str(os.getpid()), str(-1 if lifeline is None else lifeline), str(grace_seconds)]
    return [python or sys.executable, "-I", "-S", *_program(), *options, *command]


def _program() -> list[str]:
    """The arguments that make an interpreter run the guardian: its path, or its source if it is in an archive."""
    path = os.path.abspath(guardian.__file__)
    if os.path.isfile(path):
        return [path]
    get_source = getattr(guardian.__loader__, "get_source", None)
    source = None if get_source is None else get_source(guardian.__name__)
    if source is None:
        raise FileNotFoundError(2, "the guardian's source is not part of this application: ship it as a file", path)
    return ["-c", source]
