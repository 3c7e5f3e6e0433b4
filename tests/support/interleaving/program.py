"""A program: what clients, faults and crashes do to one database, as data that prints, shrinks and runs again.

Steps follow each other; the operations of a step run side by side. What an operation names by a small number (a thread,
an old command, a position) is looked up in what is there when it runs, so that any part of a program is a program.
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
"""None: between two commits, when everything has come to rest."""


@attrs.frozen(kw_only=True)
class Dispatch:
    """Commands of one kind, one by one, or all in the mailbox before the first is awaited, each twice perhaps.

    With `shift`, the first expects its stream to be so much off the version that is known.
    """

    kind: str
    pick: int = 0
    at_once: bool = False
    twice: bool = False
    shift: int | None = None
    wait_for: int | None = None


@attrs.frozen(kw_only=True)
class Abandon:
    """A command whose caller is cancelled after so many turns of the loop."""

    kind: str
    pick: int = 0
    after: int = 0


@attrs.frozen(kw_only=True)
class SendAgain:
    """An old command once more, with the same content or with other content under its id."""

    pick: int
    changed: bool = False


@attrs.frozen(kw_only=True)
class SendInvalid:
    pick: int = 0


@attrs.frozen(kw_only=True)
class TakeSnapshot:
    """A snapshot; cancelled after so many turns of the loop, if after any."""

    form: Form = "whole"
    pick: int = 0
    cancelled_after: int | None = None


@attrs.frozen(kw_only=True)
class Follow:
    """A reader takes so many events of those that are there."""

    reader: int
    events: int


@attrs.frozen(kw_only=True)
class Listen:
    """A reader takes what comes, and is cancelled after so many turns of the loop, waiting or not."""

    reader: int
    turns: int


@attrs.frozen(kw_only=True)
class Reconnect:
    """A reader subscribes again, from where it stands or from a new snapshot."""

    reader: int
    afresh: bool = False


@attrs.frozen(kw_only=True)
class ReadLog:
    """Every event after some position, of all threads or of one."""

    pick: int
    of_thread: bool = False


@attrs.frozen(kw_only=True)
class Rebuild:
    """Projections made anew; all of them where none is named. Cancelled after so many pages, if after any."""

    projectors: tuple[int, ...] = ()
    cancelled_after: int | None = None


@attrs.frozen(kw_only=True)
class Defect:
    """A projector fails at what it handles from an event on that is so far ahead, until it is repaired."""

    projector: int
    ahead: int = 1


@attrs.frozen(kw_only=True)
class Hiccup:
    """A projector's storage fails so many times."""

    projector: int
    times: int = 1


@attrs.frozen(kw_only=True)
class FailStatement:
    """A group's statement fails so many times, with its events written or with its receipts written too."""

    where: Literal["events", "receipts"] = "events"
    times: int = 1


@attrs.frozen(kw_only=True)
class FailCommit:
    """The n-th COMMIT from now reports an error: it did not take place, it did, or nobody can find out."""

    end: CommitEnd = "before"
    nth: int = 1


@attrs.frozen(kw_only=True)
class Repair:
    """Nothing fails any more, and projectors that have halted get new rows."""


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
    """Operations side by side, and then quiet."""

    operations: tuple[Operation, ...]


@attrs.frozen(kw_only=True)
class Stop:
    """A clean stop, so many turns of the loop after these operations began.

    Before the next start, another version of the program may have written an event.
    """

    operations: tuple[Operation, ...] = ()
    after: int = 0
    alien: AlienEvent | None = None
    provider: bool = False


@attrs.frozen(kw_only=True)
class Crash:
    """The host dies in the midst of these operations, or as it starts again, and starts again."""

    point: CrashAt = None
    times: int = 1
    operations: tuple[Operation, ...] = ()
    provider: bool = False


Step: TypeAlias = Together | Stop | Crash


@attrs.frozen(kw_only=True)
class Program:
    """So many commands to begin with, then the steps."""

    seed: int = 0
    commands: int = 0
    steps: tuple[Step, ...] = ()
