"""A real git repository under test, and everything in it that a capture must not change."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import attrs


@attrs.frozen
class Repository:
    """A work tree; `git` runs as the user would, with no configuration but the repository's."""

    top: Path

    @classmethod
    def init(cls, top: Path, *options: str) -> Repository:
        top.mkdir(parents=True, exist_ok=True)
        repository = cls(top)
        repository.git("init", "-q", "-b", "main", *options)
        repository.git("config", "user.name", "User")
        repository.git("config", "user.email", "user@example.org")
        return repository

    def git(self, *arguments: str) -> bytes:
        environment = {name: text for name, text in os.environ.items() if not name.startswith("GIT_")}
        environment |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C"}
        command = ["git", "-c", "protocol.file.allow=always", *arguments]
        return subprocess.run(command, cwd=self.top, env=environment, check=True, capture_output=True).stdout

    def write(self, path: str | bytes, content: bytes | str = "") -> Path:
        place = Path(os.fsdecode(os.path.join(os.fsencode(self.top), os.fsencode(path))))
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.encode() if isinstance(content, str) else content)
        return place

    def commit_all(self) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "the user's commit")

    def listing(self, tree: str) -> dict[bytes, tuple[str, str, bytes]]:
        """Mode, kind and content (of a submodule: its commit) of each path in `tree`."""
        found = {}
        for entry in self.git("ls-tree", "-r", "-z", tree).split(b"\0"):
            if entry:
                facts, path = entry.split(b"\t", 1)
                mode, kind, name = facts.decode().split()
                content = self.git("cat-file", "blob", name) if kind == "blob" else name.encode()
                found[path] = (mode, kind, content)
        return found

    def contents(self, tree: str) -> dict[bytes, bytes]:
        return {path: content for path, (_, _, content) in self.listing(tree).items()}

    def git_path(self, path: str) -> Path:
        return self.top / os.fsdecode(self.git("rev-parse", "--git-path", path).strip())

    def status(self) -> bytes | None:
        """The output of `git status`; None if git refuses, as with a link in place of a submodule."""
        try:
            return self.git("--no-optional-locks", "status", "--porcelain=v2", "-z", "--ignored")
        except subprocess.CalledProcessError:
            return None

    def users_own(self) -> dict[str, object]:
        """What no capture may change: index bytes and time, HEAD, refs, reflogs, stash, status, config, files."""
        index = self.git_path("index")
        files = [path for path in self.top.rglob("*") if ".git" not in path.relative_to(self.top).parts]
        logs = self.git_path("logs")
        return {
            "index": (index.read_bytes(), index.stat().st_mtime_ns) if index.exists() else None,
            "HEAD": self.git_path("HEAD").read_bytes(),
            "config": self.git_path("config").read_bytes(),
            "refs": [ref for ref in self.git("for-each-ref").splitlines() if b"refs/orchestrion/" not in ref],
            "logs": {str(path): path.read_bytes() for path in sorted(logs.rglob("*")) if path.is_file()},
            "stash": self.git("stash", "list"),
            "files": {str(path): (path.lstat().st_mode, path.lstat().st_mtime_ns) for path in sorted(files)},
            "status": self.status(),
        }
