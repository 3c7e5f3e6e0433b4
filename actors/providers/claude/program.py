"""Where the program of Claude Code is."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

__all__ = ["find_claude"]

_SDK = "claude_agent_sdk"


def find_claude(variables: Mapping[str, str]) -> Path | None:
    """The program that the Claude Agent SDK brings, else the `claude` of the PATH; None where there is neither.

    The SDK is not imported. Without it there is no program, since it brings the protocol.
    """
    found = find_spec(_SDK)
    if found is None or found.origin is None:
        return None
    bundled = Path(found.origin).parent / "_bundled" / ("claude.exe" if sys.platform == "win32" else "claude")
    if bundled.is_file():
        return bundled
    on_path = shutil.which("claude", path=variables.get("PATH", os.defpath))
    return None if on_path is None else Path(on_path)
