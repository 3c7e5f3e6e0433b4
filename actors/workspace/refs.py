"""Names of the git refs that keep a thread's captures.

`refs/orchestrion/checkpoints/THREAD/turn/N` is the workspace at the end of turn N, `.../baseline/N` at its start,
`refs/orchestrion/safety/THREAD/INTENT` what stood there before the revert that INTENT asked for. Where a revert was
begun again after a crash and found something new, `INTENT.2` and so on keep that.

THREAD is the thread id's UTF-8 in unpadded base64url. An identifier has at most 200 characters and a file name at
most 255 bytes, so where that is longer than 140 characters THREAD is `sha256.` and the hex digest of the same bytes;
base64url has no dot, so the two forms never meet.
"""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Final, Literal, TypeAlias

import attrs

from ...runtime.contracts.ids import CheckpointRef, ThreadId

NAMESPACE: Final = "refs/orchestrion/"
"""No ref outside it is ever written."""

RefKind: TypeAlias = Literal["turn", "baseline", "safety"]

_LONGEST_ENCODED_THREAD: Final = 140
_PLAIN_INTENT: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,139}")
_REF: Final = re.compile(
    r"refs/orchestrion/(?:checkpoints/(?P<owner>[^/]+)/(?P<kind>turn|baseline)/(?P<count>\d+)"
    r"|safety/(?P<guarded>[^/]+)/(?P<intent>[^/]+))"
)


@attrs.frozen(kw_only=True)
class RefName:
    """What a ref's name says. `thread` is the component that `thread_component` gives its thread."""

    kind: RefKind
    thread: str
    turn_count: int | None


def checkpoint_ref(thread_id: ThreadId, turn_count: int) -> CheckpointRef:
    """The ref of the workspace at the end of the thread's turn `turn_count`."""
    return CheckpointRef(f"{NAMESPACE}checkpoints/{thread_component(thread_id)}/turn/{turn_count}")


def baseline_ref(thread_id: ThreadId, turn_count: int) -> CheckpointRef:
    """The ref of the workspace at the start of the thread's turn `turn_count`."""
    return CheckpointRef(f"{NAMESPACE}checkpoints/{thread_component(thread_id)}/baseline/{turn_count}")


def safety_ref(thread_id: ThreadId, intent: str, attempt: int = 1) -> CheckpointRef:
    """The ref of what stood in the workspace before a revert; `intent` is the id of what asked for it."""
    plain = _PLAIN_INTENT.fullmatch(intent)
    name = intent if plain else f"sha256.{hashlib.sha256(intent.encode('utf-8', 'surrogatepass')).hexdigest()}"
    suffix = "" if attempt == 1 else f".{attempt}"
    return CheckpointRef(f"{NAMESPACE}safety/{thread_component(thread_id)}/{name}{suffix}")


def parse_ref(ref: str) -> RefName | None:
    """What the name of a ref says; None for one that Orchestrion does not name like this."""
    found = _REF.fullmatch(ref)
    if found is None:
        return None
    match found["kind"]:
        case "turn":
            return RefName(kind="turn", thread=found["owner"], turn_count=int(found["count"]))
        case "baseline":
            return RefName(kind="baseline", thread=found["owner"], turn_count=int(found["count"]))
        case _:
            return RefName(kind="safety", thread=found["guarded"], turn_count=None)


def thread_component(thread_id: ThreadId) -> str:
    """A thread's id as it stands in refs."""
    raw = thread_id.encode("utf-8", "surrogatepass")
    encoded = base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=")
    if len(encoded) <= _LONGEST_ENCODED_THREAD:
        return encoded
    return f"sha256.{hashlib.sha256(raw).hexdigest()}"
