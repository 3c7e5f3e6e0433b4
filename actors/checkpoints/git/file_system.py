"""How the file system of a workspace behaves, found by looking at it.

What a repository's configuration says of it (`core.ignoreCase` and its like) was true where the repository was made.
One that was copied from another system would lose files that differ by case alone, executable bits and links. Modes and
links need no question: git takes both as they stand, and where a file system has none it finds none. Names are taken
byte for byte.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def file_system_settings(workspace: Path) -> tuple[str, ...]:
    """Settings of git's that describe the file system of a workspace. Blocks."""
    return (
        "core.fileMode=true",
        f"core.ignoreCase={'true' if ignores_case(os.fsencode(workspace)) else 'false'}",
        "core.precomposeUnicode=false",
        "core.symlinks=true",
    )


def ignores_case(directory: bytes, *, facts_of: Callable[[bytes], os.stat_result] = os.lstat) -> bool:
    """Whether names in `directory` are one name where they differ by case alone. Nothing is written to find out.

    One name that stands there is enough: does its other spelling lead to the same file, although no entry is spelt so?
    In an empty directory the name of the directory itself stands for the others.
    """
    try:
        names = os.listdir(directory)
    except OSError:
        return False
    place, name = os.path.split(directory)
    inside = next((one for one in names if one != one.swapcase()), None)
    if inside is not None:
        place, name = directory, inside
    elif name == name.swapcase():
        return False
    other = name.swapcase()
    try:
        is_same = os.path.samestat(facts_of(os.path.join(place, name)), facts_of(os.path.join(place, other)))
        return is_same and other not in os.listdir(place)
    except OSError:
        return False
