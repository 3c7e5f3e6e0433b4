"""How many examples a property test takes: what it says, or the long form's number."""

from __future__ import annotations

import os
from typing import Final

VARIABLE: Final = "ORCHESTRION_EXAMPLES"


def examples(usual: int) -> int:
    """`usual`, unless the environment says how many each property is to take."""
    return int(os.environ.get(VARIABLE) or usual)
