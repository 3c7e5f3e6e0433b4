"""The Python interpreter that runs the small programs beside an agent: its guardian first of all.

`sys.executable` is not always one. In a frozen application it is the application, in an embedded interpreter the
program that embeds it, or nothing; starting it would start the host a second time. So an interpreter is looked for: the
one that the host names, else this process's own where its name is an interpreter's, else the one of this installation,
of the active virtual environment, of the PATH. Each is tried once before it is used, and what was found is kept.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TypeGuard

from ....contracts.errors import ProviderUnavailable

__all__ = ["OLDEST_PYTHON", "find_python", "forget_found"]

OLDEST_PYTHON: Final = (3, 9)
"""The oldest Python that runs a guardian."""

_NAME: Final = re.compile(r"(python|pypy)[0-9.]*[a-z]{0,2}(\.exe)?", re.IGNORECASE)
_TRIAL_SECONDS: Final = 20.0
_TRIAL: Final = f"import os, select, signal, sys, time; sys.exit(sys.version_info < {OLDEST_PYTHON!r})"

_kept: dict[tuple[str | None, str], str] = {}
_looking: Final = threading.Lock()


def find_python(named: str | os.PathLike[str] | None = None, *, module: str = "") -> str:
    """The path of a Python interpreter, one that imports `module` where that is given. Blocks; call it in a thread.

    `named` is the interpreter that the host names: no other is taken then.

    Raises:
        ProviderUnavailable: there is none, or the one that was named is none.
    """
    wanted = None if named is None else os.fspath(named)
    with _looking:
        known = _kept.get((wanted, module))
        if known is None or not os.path.isfile(known):
            known = _kept[wanted, module] = _found(wanted, module)
        return known


def forget_found() -> None:
    """Look again the next time: what was found may have been removed or replaced."""
    with _looking:
        _kept.clear()


def _found(wanted: str | None, module: str) -> str:
    tried: list[str] = []
    for candidate in _candidates() if wanted is None else iter([shutil.which(wanted) or wanted]):
        if candidate not in tried:
            tried.append(candidate)
            if (module and candidate == sys.executable) or _can_import(candidate, module):
                return os.path.abspath(candidate)
    version = ".".join(map(str, OLDEST_PYTHON))
    what = f"a Python interpreter, {version} or later" + (f", that imports {module}" if module else "")
    if wanted is not None:
        raise ProviderUnavailable(f"{wanted!r} is not {what}: give the path of one as RuntimeOptions(python=...)")
    raise ProviderUnavailable(
        f"an agent runs under {what}, and none was found (tried: {', '.join(tried) or 'nothing'}):"
        " install Python, and give its path as RuntimeOptions(python=...)"
    )


def _candidates() -> Iterator[str]:
    if not getattr(sys, "frozen", False) and _is_interpreter(sys.executable):
        yield sys.executable
    base = getattr(sys, "_base_executable", None)
    if _is_interpreter(base):
        yield base
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    names = (f"python{version}", "python3", "python")
    for prefix in (sys.exec_prefix, sys.base_exec_prefix, os.environ.get("VIRTUAL_ENV")):
        for name in names if prefix else ():
            for directory in ("bin", "Scripts", ""):
                path = Path(str(prefix), directory, name + (".exe" if sys.platform == "win32" else ""))
                if _is_interpreter(str(path)) and os.access(path, os.X_OK):
                    yield str(path)
    for name in names:
        found = shutil.which(name)
        if found is not None:
            yield found


def _is_interpreter(path: str | None) -> TypeGuard[str]:
    """Whether a file may be an interpreter, by its name: nothing else is ever started to find out."""
    return bool(path) and _NAME.fullmatch(os.path.basename(str(path))) is not None and os.path.isfile(str(path))


def _can_import(path: str, module: str) -> bool:
    arguments = ["-P", "-c", f"import {module}"] if module else ["-I", "-S", "-c", _TRIAL]
    try:
        done = subprocess.run(
            [path, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_TRIAL_SECONDS,
            start_new_session=True,
            check=False,
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return False
    return done.returncode == 0
