"""Files as bytes: which of them have a text, whatever wrote them."""

from __future__ import annotations

from pathlib import Path


def files_with(directory: Path, text: str) -> list[str]:
    """The names of the files below a directory whose bytes have the text, write-ahead logs included."""
    files = sorted(one for one in directory.rglob("*") if one.is_file())
    assert files, f"{directory} has no files"
    return [str(one.relative_to(directory)) for one in files if text.encode() in one.read_bytes()]
