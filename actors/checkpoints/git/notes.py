"""The note that replaces a file above the size limit in a tree: its size and time, without its content.

Every note has the same size, so that notes are found without reading all blobs. Its mark is made from the rest, and
keeps git from taking the notes of two files for one file that was renamed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection
from typing import Final

from .git import Git

_NOTE_BYTES: Final = 240
_OPENS: Final = b"orchestrion: the content of this file was not captured\n"


def note_of(facts: os.stat_result) -> bytes:
    """The note for a file with these facts."""
    text = b"%ssize %d bytes\nchanged %d\nmark " % (_OPENS, facts.st_size, facts.st_mtime_ns)
    left = _NOTE_BYTES - len(text) - 1
    return text + hashlib.shake_256(text).hexdigest(left)[:left].encode() + b"\n"


async def find_notes(git: Git, blobs: Collection[bytes]) -> frozenset[bytes]:
    """Those of these blobs, given by their ids, that are notes.

    Raises:
        CaptureFailed: git could not read them.
    """
    if not blobs:
        return frozenset()
    request = b"\n".join(sorted(blobs)) + b"\n"
    sizes = await git.run("cat-file", "--batch-check=%(objectname) %(objectsize)", stdin=request)
    candidates = [line.split(b" ")[0] for line in sizes.output.splitlines() if line.endswith(b" %d" % _NOTE_BYTES)]
    found = set()
    for blob in candidates:
        if (await git.run("cat-file", "blob", blob.decode("ascii"))).output.startswith(_OPENS):
            found.add(blob)
    return frozenset(found)
