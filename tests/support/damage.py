"""Damage to a database file like a failing disk's: whole pages overwritten in the middle of a table."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

INTERIOR: Final = (0x02, 0x05)
"""The first byte of a b-tree page with children: of an index, of a table."""


def destroy_page(path: Path, name: str) -> None:
    """Overwrite a page in the middle of a table or an index, or its only one. No process may have the file open."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)).fetchone()
    with path.open("r+b") as file:
        while (content := _page(file.fileno(), page, size))[0] in INTERIOR:
            page = _middle_child(content)
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)


def truncate(path: Path, share: float) -> None:
    """Truncate a file to this share of its pages."""
    os.truncate(path, int(path.stat().st_size * share) // 4096 * 4096)


def _page(descriptor: int, number: int, size: int) -> bytes:
    return os.pread(descriptor, size, (number - 1) * size)


def _middle_child(page: bytes) -> int:
    """The page that the middle cell of an interior page points to."""
    cells = int.from_bytes(page[3:5])
    pointer = 12 + 2 * (cells // 2)
    cell = int.from_bytes(page[pointer : pointer + 2])
    return int.from_bytes(page[cell : cell + 4])
