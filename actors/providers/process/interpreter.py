"""The Python interpreter that runs the helper programs of an agent, such as its guardian.

`sys.executable` is not always an interpreter. In a frozen application it is the application, in an embedded interpreter
the embedding program, or None; starting it would start the host a second time. So an interpreter is searched for: the
one that the host names, else this process's own if its name is that of an interpreter, else that of this installation,
of the active virtual environment, of the PATH. Each is tried once before it is used, and the result is cached.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeGuard

from ....contracts.errors import ProviderUnavailable

__all__ = ["OLDEST_PYTHON", "find_python", "forget_found"]

OLDEST_PYTHON: Final = (3, 9)
"""The oldest Python that runs a guardian."""

_NAME: Final = re.compile(r"(python|pypy)[0-9.]*[a-z]{0,2}(\.exe)?", re.IGNORECASE)
_TRIAL_SECONDS: Final = 20.0
_TRIAL: Final = f"import os, select, signal, sys, time; sys.exit(sys.version_info < {OLDEST_PYTHON!r})"

_found: dict[tuple[str | None, str], str] = {}
_lock: Final = threading.Lock()


def find_python(named: str | os.PathLike[str] | None = None, *, module: str = "") -> str:
    """The path of a Python interpreter, one that imports `module` where that is given. Blocks; call it in a thread.

    `named` is the interpreter that the host names: no other is taken then.

    Raises:
        ProviderUnavailable: no interpreter was found, or the named program is not one.
    """
    wanted = None if named is None else os.fspath(named)
    with _lock:
        known = _found.get((wanted, module))
        if known is None or not os.path.isfile(known):
            known = _found[wanted, module] = _find(wanted, module)
        return known


def forget_found() -> None:
    """Search again the next time, since the cached interpreter may have been removed or replaced."""
    with _lock:
        _found.clear()


def _find(wanted: str | None, module: str) -> str:
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
    """Whether a file may be an interpreter, by its name. Only such files are started to check them."""
    return bool(path) and _NAME.fullmatch(os.path.basename(str(path))) is not None and os.path.isfile(str(path))


def _can_import(path: str, module: str) -> bool:
    """Run the program once. A wrapper may start others and end before them: its process group is killed in any case."""
    arguments = ["-P", "-c", f"import {module}"] if module else ["-I", "-S", "-c", _TRIAL]
    nowhere = subprocess.DEVNULL
    try:
        trial = subprocess.Popen(
            [path, *arguments], stdin=nowhere, stdout=nowhere, stderr=nowhere, start_new_session=True
        )
    except (OSError, ValueError):
        return False
    try:
        return trial.wait(_TRIAL_SECONDS) == 0
    except subprocess.TimeoutExpired:
        return False
    finally:
        _kill_group(trial)


def _kill_group(trial: subprocess.Popen[bytes]) -> None:
    """Kill what is left of a process that leads a group of its own, and reap it."""
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(trial.pid, signal.SIGKILL)
    trial.kill()
    trial.wait()
