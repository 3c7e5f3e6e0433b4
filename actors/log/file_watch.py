"""The file watch: notices without a command that the files of an open database were removed or replaced.

Each commit of the log looks at them too (`CommandGroup.check_files`). A runtime that commits nothing would learn of it
only with its next command.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import anyio

from ...contracts.errors import RuntimeStopped
from ...persistence.lane import WriteLane

WATCH_SECONDS: Final = 2.0


class FileWatch:
    """Runs `check` on the write lane once every `WATCH_SECONDS`."""

    def __init__(self, lane: WriteLane, check: Callable[[], None]) -> None:
        self._lane = lane
        self._check = check

    async def run(self) -> None:
        """Look again and again, until the runtime ends.

        Raises:
            RuntimeFailed: a file is not what it was.
        """
        while True:
            await anyio.sleep(WATCH_SECONDS)
            try:
                await self._lane.run(lambda _: self._check())
            except RuntimeStopped:
                return
