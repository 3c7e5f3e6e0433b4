"""Text that a program wrote for a terminal, made readable elsewhere. Pure."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["without_terminal_codes"]

_CODES: Final = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor movement, screen clearing
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\|$)"  # OSC, DCS and the like: titles, hyperlinks
    r"|\x1b[ -/]*[0-~]"  # two-character and charset sequences
    r"|\x9b[0-?]*[ -/]*[@-~]"
    r"|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"
)
_OVERWRITTEN: Final = re.compile(r"[^\n]*\r(?=[^\n\r])")
"""A part of a line that a carriage return let the program write over, as progress bars do."""


def without_terminal_codes(text: str) -> str:
    """`text` without escape sequences and control characters; of a line written over itself the last version."""
    return _OVERWRITTEN.sub("", _CODES.sub("", text)).replace("\r", "")
