"""How many examples a property takes: its default, or its share of the number for `make properties`.

`EXAMPLES` is the number for properties of values in memory, whose examples take milliseconds. The others take a share,
so that all of them end in about the same time: 2,000 examples take 15 to 20 minutes on two cores.
"""

from __future__ import annotations

import os
from typing import Final

VARIABLE: Final = "ORCHESTRION_EXAMPLES"

DATABASES: Final = 1 / 2
"""The share of properties that open databases: a quarter of a second per example."""

PROCESSES: Final = 1 / 50
"""The share of properties that start processes: seconds per example."""


def examples(usual: int, *, share: float = 1.0) -> int:
    """`usual`, or this share of the number in the environment, if it has one."""
    given = os.environ.get(VARIABLE)
    return max(1, round(int(given) * share)) if given else usual
