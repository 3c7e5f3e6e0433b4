"""The same environment for every test, for every user: no settings of the user, the terminal or Python.

Called once, before anything of the library is imported; every process that a test starts inherits the result. PATH,
HOME, TMPDIR and PYTHONPATH stay, because they locate programs and files.
"""

from __future__ import annotations

import os
import sys
from typing import Final

__all__ = ["clean_environment"]

_SET: Final = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "LANG": "C.UTF-8"}
_KEPT: Final = frozenset({"PYTHONPATH"})
_REMOVED: Final = ("GIT_", "LC_", "PYTHON", "XDG_")
"""Prefixes. PYTHONDONTWRITEBYTECODE is one of them: with it, each process of a test would compile the library again."""
_OF_THE_TERMINAL: Final = (
    *("CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "FORCE_COLOR", "LANGUAGE", "LINES", "NO_COLOR"),
    *("TTY_COMPATIBLE", "TTY_INTERACTIVE"),
)
_UMASK: Final = 0o022


def clean_environment() -> None:
    """Remove from `os.environ` and from this process what would change how programs behave."""
    for name in list(os.environ):
        if (name.startswith(_REMOVED) and name not in _KEPT) or name in _OF_THE_TERMINAL:
            del os.environ[name]
    os.environ.update(_SET)
    os.umask(_UMASK)
    sys.dont_write_bytecode = False
