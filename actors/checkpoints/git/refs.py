"""Names of the git refs that keep a thread's captures.

`refs/orchestrion/checkpoints/DATABASE/THREAD/turn/N` is the workspace at the end of turn N, `.../baseline/N` at its
start, `refs/orchestrion/safety/DATABASE/THREAD/INTENT` what stood there before the revert that INTENT asked for. Where
a revert was begun again after a crash and found something new, `INTENT.2` and so on keep that.

DATABASE is `db.` and the identity of the database, so that databases that serve one repository never write to each
other's refs, whatever ids their clients choose. The first edition's names have no DATABASE: such a ref is anybody's
whose turn its message names.

THREAD is the thread id's UTF-8 in unpadded base64url. An identifier has at most 200 characters and a file name at
most 255 bytes, so where that is longer than 140 characters THREAD is `sha256.` and the hex digest of the same bytes;
base64url has no dot, so the forms never meet.
"""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Final, Literal, TypeAlias

import attrs

from ....contracts.ids import CheckpointRef, ThreadId

NAMESPACE: Final = "refs/orchestrion/"
"""No ref outside it is ever written."""

RefKind: TypeAlias = Literal["turn", "baseline", "safety"]

_LONGEST_ENCODED_THREAD: Final = 140
_PLAIN_INTENT: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,139}")
_REF: Final = re.compile(
    r"refs/orchestrion/(?P<root>checkpoints|safety)/(?:db\.(?P<database>[0-9a-f]+)/)?(?P<thread>[^/]+)/"
    r"(?P<name>(?P<kind>turn|baseline)/(?P<count>\d+)|[^/]+)"
)


@attrs.frozen(kw_only=True)
class RefName:
    """A parsed ref name. `thread` is the component that `thread_component` gives its thread.

    `database` is the identity of the database whose it is; None in a name of the first edition.
    """

    kind: RefKind
    thread: str
    turn_count: int | None
    database: str | None = None
    name: str = ""

    @property
    def other_databases(self) -> tuple[CheckpointRef, ...]:
        """The names that this capture would have in the first edition and in other databases: patterns for git."""
        root = "safety" if self.kind == "safety" else "checkpoints"
        return tuple(
            CheckpointRef(f"{NAMESPACE}{root}/{database}{self.thread}/{self.name}") for database in ("", "db.*/")
        )


@attrs.frozen(kw_only=True)
class RefNames:
    """The names of one database's refs; without an identity, those of the first edition."""

    database: str | None = None

    def turn(self, thread_id: ThreadId, turn_count: int) -> CheckpointRef:
        """The ref of the workspace at the end of the thread's turn `turn_count`."""
        return CheckpointRef(f"{self._below('checkpoints', thread_id)}turn/{turn_count}")

    def baseline(self, thread_id: ThreadId, turn_count: int) -> CheckpointRef:
        """The ref of the workspace at the start of the thread's turn `turn_count`."""
        return CheckpointRef(f"{self._below('checkpoints', thread_id)}baseline/{turn_count}")

    def safety(self, thread_id: ThreadId, intent: str, attempt: int = 1) -> CheckpointRef:
        """The ref of what stood in the workspace before a revert; `intent` is the id of what asked for it."""
        plain = _PLAIN_INTENT.fullmatch(intent)
        name = intent if plain else f"sha256.{hashlib.sha256(intent.encode('utf-8', 'surrogatepass')).hexdigest()}"
        suffix = "" if attempt == 1 else f".{attempt}"
        return CheckpointRef(f"{self._below('safety', thread_id)}{name}{suffix}")

    def own(self, name: RefName) -> CheckpointRef:
        """The ref of this database for what another name keeps."""
        root = "safety" if name.kind == "safety" else "checkpoints"
        return CheckpointRef(f"{NAMESPACE}{root}/{self._database}{name.thread}/{name.name}")

    def _below(self, root: str, thread_id: ThreadId) -> str:
        return f"{NAMESPACE}{root}/{self._database}{thread_component(thread_id)}/"

    @property
    def _database(self) -> str:
        return "" if self.database is None else f"db.{self.database}/"


_FIRST_EDITION: Final = RefNames()

checkpoint_ref: Final = _FIRST_EDITION.turn
baseline_ref: Final = _FIRST_EDITION.baseline
safety_ref: Final = _FIRST_EDITION.safety


def parse_ref(ref: str) -> RefName | None:
    """The parsed name of a ref; None for a name that is not Orchestrion's."""
    found = _REF.fullmatch(ref)
    if found is None or (found["root"] == "checkpoints") != (found["kind"] is not None):
        return None
    kind: RefKind = "turn" if found["kind"] == "turn" else "baseline" if found["kind"] else "safety"
    return RefName(
        kind=kind,
        thread=found["thread"],
        turn_count=None if found["count"] is None else int(found["count"]),
        database=found["database"],
        name=found["name"],
    )


def thread_component(thread_id: ThreadId) -> str:
    """A thread's id as a component of refs."""
    raw = thread_id.encode("utf-8", "surrogatepass")
    encoded = base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=")
    if len(encoded) <= _LONGEST_ENCODED_THREAD:
        return encoded
    return f"sha256.{hashlib.sha256(raw).hexdigest()}"
