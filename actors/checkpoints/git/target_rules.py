"""Which paths the ignore files of a target ignore, whatever ignore files the workspace has now."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from ....persistence.threads import in_thread
from .exclude_rules import ExcludeRules
from .git import Git
from .ignoring import ignored_paths, paths_of
from .scratch import Layout, lay_out_rules, rules_of


async def ignored_by_target(
    targeted: Git, layout: Layout, paths: Collection[bytes], directory: Path, kept: ExcludeRules | None
) -> set[bytes]:
    """Those of `paths` that the target ignores: by the ignore files of the index, and by the rules `kept` with it.

    Where no rules were kept, the present ones count. `directory` is the scratch repository's: there they are laid out.

    Raises:
        CaptureFailed: git could not answer.
    """
    if not paths:
        return set()
    rules = directory / "rules"
    listing = paths_of(await targeted.run("ls-files", "-s", "-z"))
    ignore_files = [path for path in _regular_files(listing) if path.rsplit(b"/", 1)[-1] == b".gitignore"]
    present = await in_thread(rules_of, directory, layout)
    await in_thread(_lay_out_above, rules, present if kept is None else kept)
    if kept is not None:
        await in_thread(lay_out_rules, kept, directory)
    if ignore_files:
        laid_out = b"\0".join(ignore_files) + b"\0"
        await targeted.run("checkout-index", "-z", "--stdin", f"--prefix={rules}/", stdin=laid_out)
    ignored = await ignored_paths(targeted, rules, paths)
    await in_thread(lay_out_rules, present, directory)
    return ignored


def _regular_files(entries: Sequence[bytes]) -> Iterator[bytes]:
    """The paths of an index's entries that are regular files. Git reads no rules from a symbolic link."""
    for entry in entries:
        facts, path = entry.split(b"\t", 1)
        if facts.startswith(b"100"):
            yield path


def _lay_out_above(directory: Path, rules: ExcludeRules) -> None:
    """Ignore files above the workspace are no part of its captures, so they are laid out by themselves."""
    directory.mkdir()
    for path, content in rules.above.items():
        place = directory / os.fsdecode(path) / ".gitignore"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
