"""Error messages of the command line. Imports nothing that takes time: every command needs it."""

from __future__ import annotations

import re
from typing import Final

MOST_REPEATED: Final = 200
"""How many characters of a value from the user an error repeats."""

_MESSAGE: Final = 2000
_LONG_WORD: Final = re.compile(rf"\S{{{MOST_REPEATED + 1},}}")


def bounded(message: str) -> str:
    """An error message with long parts cut: a word at 200 characters, the whole at 2,000."""
    short = _LONG_WORD.sub(lambda word: f"{word[0][:MOST_REPEATED]}…", message)
    return short if len(short) <= _MESSAGE else f"{short[:_MESSAGE]}…"
