"""What a restore leaves alone although the trees of the present and of the target do not show it.

A tree has nothing of what its capture skipped. So what came since the target, and cannot be read now, is in neither;
nor is what the target's capture skipped and is gone now.
"""

from __future__ import annotations

import os
from collections.abc import Collection

from ....persistence.threads import in_thread
from .obstacles import parents_of
from .own_files import OwnFiles
from .scratch import Layout
from .skipped import SkippedPaths, is_in_any


async def find_unseen(
    layout: Layout,
    own: OwnFiles,
    *,
    present: SkippedPaths,
    target: SkippedPaths,
    named: Collection[bytes],
    touched: Collection[bytes],
) -> set[bytes]:
    """The paths that stay as they are and may differ from the target.

    - Those of `touched`, what is known to have changed since the target, that the present's capture skipped.
    - A place that only the present's capture skipped, where no path at or below it is named, here or in `named`.
    - What only the target's capture skipped, and is not there any more. Special files that have gone do not matter, nor
      do files of other runtimes' databases.
    """
    unknown = present.unknown
    found = {path for path in touched if is_in_any(path, unknown)}
    found -= await in_thread(own.those_of, found)
    covered = {place for path in (*found, *named) for place in (b"", path, *parents_of(path))}
    found |= {place for place in unknown - covered if not is_in_any(place, target.unknown)}
    skipped_then = target.unknown - target.only("special-file", "foreign")
    found |= await in_thread(_gone, layout, [path for path in skipped_then if not is_in_any(path, unknown)])
    return {path or b"." for path in found}


def _gone(layout: Layout, paths: Collection[bytes]) -> set[bytes]:
    root = os.fsencode(layout.top)
    return {path for path in paths if not os.path.lexists(os.path.join(root, path))}
