"""Which paths the ignore files of a target ignore, whatever ignore files stand in the workspace now."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from ...persistence.threads import in_thread
from .git import Git
from .ignoring import ignored_paths, paths_of
from .scratch import Layout


async def ignored_by_target(targeted: Git, layout: Layout, paths: Collection[bytes], rules: Path) -> set[bytes]:
    """Those of `paths` that the ignore files of the index ignore. `rules` is a directory to lay them out in."""
    if not paths:
        return set()
    listing = paths_of(await targeted.run("ls-files", "-s", "-z"))
    ignore_files = [path for path in _regular_files(listing) if path.rsplit(b"/", 1)[-1] == b".gitignore"]
    await in_thread(_copy_rules_above, layout, rules)
    if ignore_files:
        laid_out = b"\0".join(ignore_files) + b"\0"
        await targeted.run("checkout-index", "-z", "--stdin", f"--prefix={rules}/", stdin=laid_out)
    return await ignored_paths(targeted, rules, paths)


def _regular_files(entries: Sequence[bytes]) -> Iterator[bytes]:
    """The paths of an index's entries that are regular files. Git reads no rules from a symbolic link."""
    for entry in entries:
        facts, path = entry.split(b"\t", 1)
        if facts.startswith(b"100"):
            yield path


def _copy_rules_above(layout: Layout, rules: Path) -> None:
    """Ignore files above the workspace are no part of its captures: the present ones count."""
    rules.mkdir()
    above = [*layout.prefix.split("/")[:-1]]
    for depth in range(len(above)):
        source = layout.top.joinpath(*above[:depth], ".gitignore")
        if source.is_file() and not source.is_symlink():
            place = rules.joinpath(*above[:depth], ".gitignore")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(source.read_bytes())
