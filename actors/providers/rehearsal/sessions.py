"""The rehearsal agent's sessions on disk: one file each, a line of JSON for each thing that happened.

The first line names the workspace. `prompt` lines begin turns, `steered` lines add to them, `said` lines end them. A
line is on the disk when its method returns. A line that a crash cut off is skipped by readers; the next one begins on
a line of its own.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

__all__ = ["SessionFiles", "SessionHistory"]

_SESSION_ID = re.compile(r"rehearsal-[0-9a-f]{16}")


class SessionHistory:
    """What one session remembers. Turns are (prompt, what was said), in order."""

    def __init__(self, path: Path, turns: list[tuple[str, str]]) -> None:
        self.session_id = path.stem
        self.turns = turns
        self._path = path

    def begin_turn(self, prompt: str) -> None:
        self.turns.append((prompt, ""))
        _append(self._path, {"prompt": prompt})

    def steer(self, prompt: str) -> None:
        """Add a message to the turn's prompt."""
        self.turns[-1] = (f"{self.turns[-1][0]}\n{prompt}", "")
        _append(self._path, {"steered": prompt})

    def end_turn(self, said: str) -> None:
        self.turns[-1] = (self.turns[-1][0], said)
        _append(self._path, {"said": said})


class SessionFiles:
    """The sessions of one state directory, which is made when the first one is."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def new(self, workspace: str) -> SessionHistory:
        self._directory.mkdir(parents=True, exist_ok=True)
        path = self._directory / f"rehearsal-{os.urandom(8).hex()}.jsonl"
        _append(path, {"workspace": workspace})
        return SessionHistory(path, [])

    def find(self, session_id: str) -> SessionHistory | None:
        path = self._directory / f"{session_id}.jsonl"
        if not _SESSION_ID.fullmatch(session_id) or not path.is_file():
            return None
        turns: list[tuple[str, str]] = []
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if "prompt" in entry:
                turns.append((entry["prompt"], ""))
            elif "steered" in entry and turns:
                turns[-1] = (f"{turns[-1][0]}\n{entry['steered']}", "")
            elif "said" in entry and turns:
                turns[-1] = (turns[-1][0], entry["said"])
        return SessionHistory(path, turns)


def _append(path: Path, entry: dict[str, str]) -> None:
    with path.open("ab+") as file:
        if file.tell() > 0:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
        file.write(json.dumps(entry).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
