"""A program: what clients, faults and crashes do to one database, as data that prints, shrinks and runs again.

Steps follow each other; the operations of a step run concurrently. Operations name things (a thread, an old command, a
position) by a small number that is resolved when they run, so that any part of a program is a program.

`tests/support/torture.py` is the other crash engine, for real processes with agents, killed at any instant.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import attrs

from orchestrion.persistence.crash_points import CrashPoint

READERS: Final = 3

Form: TypeAlias = Literal["whole", "summary", "thread", "streamed"]
CommitEnd: TypeAlias = Literal["before", "after", "lost"]
AlienEvent: TypeAlias = Literal["thread.teleported", "thread.message-sent", "thread.session-stop-requested"]
CrashAt: TypeAlias = CrashPoint | None
"""None: between two commits, when nothing is under way."""


@attrs.frozen(kw_only=True)
class Dispatch:
    """Commands of one kind, one by one or all submitted before the first is awaited, optionally each twice.

    With `shift`, the first expects its stream to be this far from the known version.
    """

    kind: str
    pick: int = 0
    at_once: bool = False
    twice: bool = False
    shift: int | None = None
    wait_for: int | None = None


@attrs.frozen(kw_only=True)
class Abandon:
    """A command whose caller is cancelled after this many iterations of the loop."""

    kind: str
    pick: int = 0
    after: int = 0


@attrs.frozen(kw_only=True)
class SendAgain:
    """An old command again, with the same content or with other content under its id."""

    pick: int
    changed: bool = False


@attrs.frozen(kw_only=True)
class SendInvalid:
    pick: int = 0


@attrs.frozen(kw_only=True)
class TakeSnapshot:
    """A snapshot; cancelled after this many iterations of the loop, or never."""

    form: Form = "whole"
    pick: int = 0
    cancelled_after: int | None = None


@attrs.frozen(kw_only=True)
class Follow:
    """A reader takes this many of the published events."""

    reader: int
    events: int


@attrs.frozen(kw_only=True)
class Listen:
    """A reader takes events, and is cancelled after this many iterations of the loop, waiting or not."""

    reader: int
    turns: int


@attrs.frozen(kw_only=True)
class Reconnect:
    """A reader subscribes again, from its position or from a new snapshot."""

    reader: int
    afresh: bool = False


@attrs.frozen(kw_only=True)
class ReadLog:
    """Every event after some position, of all threads or of one."""

    pick: int
    of_thread: bool = False


@attrs.frozen(kw_only=True)
class Rebuild:
    """Rebuild projections; all of them if none is named. Cancelled after this many pages, or never."""

    projectors: tuple[int, ...] = ()
    cancelled_after: int | None = None


@attrs.frozen(kw_only=True)
class Defect:
    """A projector fails from this many events ahead on, until it is repaired."""

    projector: int
    ahead: int = 1


@attrs.frozen(kw_only=True)
class Hiccup:
    """A projector's storage fails this many times."""

    projector: int
    times: int = 1


@attrs.frozen(kw_only=True)
class FailStatement:
    """A group's statement fails this many times, with its events written, or its receipts too."""

    where: Literal["events", "receipts"] = "events"
    times: int = 1


@attrs.frozen(kw_only=True)
class FailCommit:
    """The n-th COMMIT from now reports an error: it took no effect, it did, or nobody can find out."""

    end: CommitEnd = "before"
    nth: int = 1


@attrs.frozen(kw_only=True)
class Repair:
    """Nothing fails any more, and halted projectors are rebuilt."""


Operation: TypeAlias = (
    Dispatch
    | Abandon
    | SendAgain
    | SendInvalid
    | TakeSnapshot
    | Follow
    | Listen
    | Reconnect
    | ReadLog
    | Rebuild
    | Defect
    | Hiccup
    | FailStatement
    | FailCommit
    | Repair
)


@attrs.frozen(kw_only=True)
class Together:
    """Concurrent operations, then a wait until nothing is under way."""

    operations: tuple[Operation, ...]


@attrs.frozen(kw_only=True)
class Stop:
    """A clean stop this many iterations of the loop after these operations began.

    Before the next start, another version of the program may have written an event.
    """

    operations: tuple[Operation, ...] = ()
    after: int = 0
    alien: AlienEvent | None = None
    provider: bool = False


@attrs.frozen(kw_only=True)
class Crash:
    """The host dies during these operations, or while it starts again, and starts again."""

    point: CrashAt = None
    times: int = 1
    operations: tuple[Operation, ...] = ()
    provider: bool = False


Step: TypeAlias = Together | Stop | Crash


@attrs.frozen(kw_only=True)
class Program:
    """The number of commands to begin with, then the steps."""

    seed: int = 0
    commands: int = 0
    steps: tuple[Step, ...] = ()
