"""The rules that say what git ignores and that no tree has: they are kept with a capture.

These are `info/exclude` of the repository, the user's `core.excludesFile`, and the `.gitignore` files of directories
above the workspace. What they ignored is in no tree, so once a rule is gone its files look as if they were new. A
revert asks the rules of its target (`target_rules.py`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, Self
from urllib.parse import quote, unquote_to_bytes

import attrs

from .git import Git
from .regular_files import read_regular_file

USERS_RULES: Final = "excludes"
"""The copy of the user's `core.excludesFile` in a scratch repository."""

_MOST_BYTES: Final = 256 * 1024
_MOST_READ: Final = 16 * 1024 * 1024
_OPENS: Final = "rules "
_INFO: Final = "info"
_USER: Final = "user"
_ABOVE: Final = "above:"


@attrs.frozen(kw_only=True)
class ExcludeRules:
    """The content of each file of rules. `above` are `.gitignore` files by the paths of their directories."""

    info: bytes = b""
    user: bytes = b""
    above: Mapping[bytes, bytes] = attrs.field(factory=dict)

    def to_keep(self) -> Self | None:
        """These rules without comments; None where they are too long to keep."""
        above = {path: _without_comments(content) for path, content in self.above.items()}
        kept = attrs.evolve(self, info=_without_comments(self.info), user=_without_comments(self.user), above=above)
        return kept if len(kept.lines()) <= _MOST_BYTES else None

    def lines(self) -> str:
        """The lines of a commit's text that keep these rules."""
        contents = {_INFO: self.info, _USER: self.user}
        contents |= {_ABOVE + quote(path, safe="/"): content for path, content in sorted(self.above.items())}
        return "".join(f"{_OPENS}{name} {quote(content, safe='/*')}\n" for name, content in contents.items())

    @classmethod
    def read(cls, lines: Iterable[str]) -> Self | None:
        """What `lines` wrote; None where it wrote nothing."""
        contents: dict[str, bytes] = {}
        for line in lines:
            if line.startswith(_OPENS):
                name, _, content = line.removeprefix(_OPENS).partition(" ")
                contents[name] = unquote_to_bytes(content)
        if _INFO not in contents:
            return None
        above = {
            unquote_to_bytes(name.removeprefix(_ABOVE)): content
            for name, content in contents.items()
            if name.startswith(_ABOVE)
        }
        return cls(info=contents[_INFO], user=contents.get(_USER, b""), above=above)


def _without_comments(rules: bytes) -> bytes:
    kept = [line for line in rules.split(b"\n") if line.strip() and not line.startswith(b"#")]
    return b"".join(line + b"\n" for line in kept)


async def find_user_rules(git: Git) -> Path | None:
    """The file that `core.excludesFile` names, or git's default for it.

    Raises:
        CaptureFailed: git could not read its configuration.
    """
    answer = await git.run("config", "--type=path", "--get", "core.excludesFile", codes=(0, 1))
    if answer.code == 0:
        named = os.fsdecode(answer.output.removesuffix(b"\n"))
        return git.directory / named if named else None
    home = os.environ.get("HOME")
    configuration = os.environ.get("XDG_CONFIG_HOME") or (os.path.join(home, ".config") if home else None)
    return None if configuration is None else Path(configuration, "git", "ignore")


def read_rules(*, info: Path, user: Path | None, top: Path, prefix: str) -> ExcludeRules:
    """Read the rules. A file that is not there, cannot be read or has over 16 MiB has none. Blocks."""
    above: dict[bytes, bytes] = {}
    parts = [part for part in prefix.split("/") if part]
    for depth in range(len(parts)):
        directory = os.path.join("", *parts[:depth])
        source = top / directory / ".gitignore"
        if source.is_file() and not source.is_symlink():
            above[os.fsencode(directory)] = _content(source)
    return ExcludeRules(info=_content(info), user=b"" if user is None else _content(user), above=above)


def _content(place: Path) -> bytes:
    with suppress(OSError):
        return read_regular_file(place, at_most=_MOST_READ)
    return b""
