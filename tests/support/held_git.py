"""A git that stops before it writes a workspace's tree, until a test releases it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from anyio import to_thread

__all__ = ["HeldGit"]


class HeldGit:
    """Placed before the real git on the search path. While `hold` is in force, captures of `workspace` stop."""

    def __init__(self, directory: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        git = shutil.which("git")
        assert git is not None
        directory.mkdir()
        self._held = directory / "held"
        self._reached = directory / "reached"
        self._go = directory / "go"
        os.mkfifo(self._reached)
        os.mkfifo(self._go)
        program = directory / "git"
        program.write_text(
            f"""#!/bin/sh
            case " $* " in
                *" write-tree "*)
                    if test -e '{self._held}' && test "$GIT_WORK_TREE" = '{workspace.resolve()}'; then
                        echo reached > '{self._reached}'
                        read -r _ < '{self._go}'
                    fi;;
            esac
            exec '{git}' "$@"
            """
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(directory), prepend=os.pathsep)

    def hold(self) -> None:
        """Make captures stop before their tree is written."""
        self._held.touch()

    async def reached(self) -> None:
        """Wait until one has stopped."""
        await to_thread.run_sync(self._reached.read_text)

    async def let_go(self) -> None:
        """Release the stopped capture and all later ones."""
        self.release_new()
        await to_thread.run_sync(self._go.write_text, "go\n")

    def release_new(self) -> None:
        """Hold no further captures; those that are stopped stay so."""
        self._held.unlink()
