"""Which paths git ignores."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Final

import attrs

from .git import Git, GitResult

_PLAIN: Final = b"./"
"""Before a path, it keeps git from reading `:` as pathspec magic: this command takes no literal pathspecs."""


async def ignored_paths(git: Git, work_tree: Path, paths: Collection[bytes]) -> set[bytes]:
    """Those of `paths` that the ignore files in `work_tree` ignore, tracked or not.

    Raises:
        CaptureFailed: git could not answer, as when a path lies beyond a symbolic link.
    """
    if not paths:
        return set()
    variables = {**git.variables, "GIT_WORK_TREE": str(work_tree), "GIT_LITERAL_PATHSPECS": "0"}
    asked = attrs.evolve(git, directory=work_tree, variables=variables)
    question = b"".join(_PLAIN + path + b"\0" for path in sorted(paths))
    answer = await asked.run("check-ignore", "-z", "--stdin", "--no-index", stdin=question, codes=(0, 1))
    return {path.removeprefix(_PLAIN) for path in paths_of(answer)}


def paths_of(answer: GitResult) -> list[bytes]:
    return [path for path in answer.output.split(b"\0") if path]
