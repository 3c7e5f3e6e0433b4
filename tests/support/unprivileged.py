"""Runs modules as a user who may not read everything: tests of root play them in a process without that right."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
_DROP_FROM_BOUNDING_SET: Final = 24
_READ_ANYTHING: Final = (1, 2)
"""prctl's number, and the capabilities to override permissions of files and directories."""


def _give_up_root() -> None:
    library = ctypes.CDLL(None)
    for capability in _READ_ANYTHING:
        library.prctl(_DROP_FROM_BOUNDING_SET, capability, 0, 0, 0)


def play(module: str, *arguments: str) -> Any:
    """Run a module as a process that is subject to permissions; return the JSON that it prints."""
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, check=False, preexec_fn=_give_up_root, timeout=120
    )
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)
