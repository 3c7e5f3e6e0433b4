"""Names of the git refs that keep a thread's captures.

`refs/orchestrion/checkpoints/THREAD/turn/N` is the workspace at the end of turn N, `.../baseline/N` at its start.
THREAD is the thread id's UTF-8 in unpadded base64url. An identifier has at most 200 characters and a file name at
most 255 bytes, so where that is longer than 140 characters THREAD is `sha256.` and the hex digest of the same bytes;
base64url has no dot, so the two forms never meet.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Final

from ...runtime.contracts.ids import CheckpointRef, ThreadId

NAMESPACE: Final = "refs/orchestrion/"
"""No ref outside it is ever written."""

_LONGEST_ENCODED_THREAD: Final = 140


def checkpoint_ref(thread_id: ThreadId, turn_count: int) -> CheckpointRef:
    """The ref of the workspace at the end of the thread's turn `turn_count`."""
    return CheckpointRef(f"{NAMESPACE}checkpoints/{_component(thread_id)}/turn/{turn_count}")


def baseline_ref(thread_id: ThreadId, turn_count: int) -> CheckpointRef:
    """The ref of the workspace at the start of the thread's turn `turn_count`."""
    return CheckpointRef(f"{NAMESPACE}checkpoints/{_component(thread_id)}/baseline/{turn_count}")


def _component(thread_id: ThreadId) -> str:
    raw = thread_id.encode("utf-8", "surrogatepass")
    encoded = base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=")
    if len(encoded) <= _LONGEST_ENCODED_THREAD:
        return encoded
    return f"sha256.{hashlib.sha256(raw).hexdigest()}"
