"""`orchestrion checkpoints`: the captures that git keeps for a database's threads, and going back to one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

import attrs
import click

from ...actors.checkpoints.database_refs import RefOwner, ThreadRef, list_thread_refs, prune, restore_capture
from ...actors.checkpoints.others_work import preview_revert
from ...contracts.codec import to_json
from ...contracts.errors import NotFound
from ...contracts.ids import ThreadId
from ...contracts.values import instant
from ...persistence.checkpoint_rows import ThreadWorkspaces, read_thread_workspaces
from ...persistence.identity import read_identity
from ...persistence.inspection import open_read_only
from ...persistence.ownership import DatabaseLock
from ...persistence.revert_rows import read_revert_facts
from .output import counted, print_line, print_table, stdout_console, write_json
from .parameters import database_argument, json_option
from .signals import run_until_signal

SAFETY_DAYS: Final = 30
MOST_SAFETY_DAYS: Final = 36_500


@attrs.frozen(kw_only=True)
class _RefList:
    refs: tuple[ThreadRef, ...]


class _DefaultsToList(click.Group):
    """A group whose first argument may be a database: then it lists."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        names_no_command = bool(args) and args[0] not in self.commands and args[0] not in ctx.help_option_names
        return super().parse_args(ctx, ["list", *args] if names_no_command else args)


@click.group(cls=_DefaultsToList, name="checkpoints", subcommand_metavar="[list|preview|restore|prune] DB [ARGS]...")
def checkpoints() -> None:
    """List, preview, restore or prune the captures of workspaces. Without a command: list."""


@checkpoints.command(name="list")
@database_argument
@click.option("--thread", metavar="ID", help="Only this thread's captures.")
@json_option
def list_command(database: Path, thread: str | None, as_json: bool) -> None:
    """List the captures of DB's threads: ends of turns, their starts (baselines), and safety refs of reverts.

    Only reads DB; works while a runtime owns it.
    """
    owner, threads = _refs_of(database)
    threads = [one for one in threads if thread is None or one.thread_id == thread]
    if thread is not None and not threads:
        raise NotFound("thread", thread)
    found = run_until_signal(partial(list_thread_refs, owner, threads))
    if as_json:
        write_json(to_json(_RefList(refs=found)))
    else:
        _print_refs("Checkpoints", found)


@checkpoints.command()
@database_argument
@click.argument("thread", metavar="THREAD")
@click.argument("ref", metavar="REF")
@json_option
def restore(database: Path, thread: str, ref: str, as_json: bool) -> None:
    """Restore the files of THREAD's workspace from the capture REF.

    The present files are captured under a safety ref first. Ignored files stay. The thread's turns and its agent's
    conversation do not change; to take those back too, dispatch thread.checkpoint.revert. No runtime may own DB.
    """
    with _owned(database):
        owner, threads = _refs_of(database)
        done = run_until_signal(partial(restore_capture, owner, threads, ThreadId(thread), ref))
    if as_json:
        write_json(to_json(done))
        return
    console = stdout_console()
    print_line(console, f"{done.workspace}: {counted(done.written, 'file')} written, {done.removed} removed")
    for path in done.left_alone:
        print_line(console, f"left alone: {path}")
    print_line(console, f"What stood there before is kept as {done.safety_ref}")


@checkpoints.command(name="prune")
@database_argument
@click.option(
    "--safety-days",
    type=click.IntRange(min=0, max=MOST_SAFETY_DAYS),
    default=SAFETY_DAYS,
    show_default=True,
    help="Keep safety refs of existing threads for this many days.",
)
@click.option(
    "--former",
    is_flag=True,
    help="Also delete captures under identities that DB had before it was copied. Only if the other copy is gone.",
)
@json_option
def prune_command(database: Path, safety_days: int, former: bool, as_json: bool) -> None:
    """Delete captures of deleted threads and reverted turns, and old safety refs; report the bytes freed.

    Captures with missing objects are deleted too.

    Only DB's own captures are deleted, even if other databases use the same repository. In a repository of yours,
    git's next gc frees the space. No runtime may own DB.
    """
    with _owned(database):
        owner, threads = _refs_of(database)
        done = run_until_signal(partial(prune, owner, threads, safety_days=safety_days, former=former))
    if as_json:
        write_json(to_json(done))
        return
    _print_refs("Pruned", done.refs)
    print_line(
        stdout_console(),
        f"{counted(len(done.refs), 'ref')} deleted, {counted(done.freed_bytes, 'byte')} no longer kept",
    )


@checkpoints.command()
@database_argument
@click.argument("thread", metavar="THREAD")
@click.argument("turn", metavar="N", type=click.IntRange(min=0))
@json_option
def preview(database: Path, thread: str, turn: int, as_json: bool) -> None:
    """Show which files a revert of THREAD to the end of turn N would change now, and whose work it would undo.

    A revert is refused while it would undo work that is not THREAD's own, unless its command has revertOthers.
    Changes nothing; works while a runtime owns DB.
    """
    database = database.resolve()
    with open_read_only(database) as opened:
        facts = read_revert_facts(opened, ThreadId(thread), turn)
        names = RefOwner.of(database, read_identity(opened, database)).names
    found = run_until_signal(partial(preview_revert, facts, names=names, database=database))
    if as_json:
        write_json(to_json(found))
        return
    console = stdout_console()
    whose = {path: "outside any turn" for path in found.outside}
    for one in found.others:
        turns = ", ".join(str(count) for count in one.turn_counts)
        for path in one.paths:
            whose[path] = f"thread {one.thread_id}, turn {turns}"
    done = {**dict.fromkeys(found.written, "written"), **dict.fromkeys(found.removed, "removed")}
    print_table(
        console,
        f"A revert of {thread} to turn {turn} in {found.workspace}",
        ("file", "is", "changed by"),
        ((path, what, whose.get(path, "this thread")) for path, what in sorted(done.items())),
    )
    for path in found.left_alone:
        print_line(console, f"left alone: {path}")
    if found.undoes_others:
        are = "1 of them is" if len(whose) == 1 else f"{len(whose)} of them are"
        print_line(console, f"{are} not this thread's own work: the command needs revertOthers")


def _refs_of(database: Path) -> tuple[RefOwner, list[ThreadWorkspaces]]:
    database = database.resolve()
    with open_read_only(database) as opened:
        return RefOwner.of(database, read_identity(opened, database)), read_thread_workspaces(opened)


@contextmanager
def _owned(database: Path) -> Iterator[None]:
    """No runtime has the database open meanwhile."""
    with open_read_only(database):
        lock = DatabaseLock(database, since=instant(datetime.now(UTC)))
        lock.acquire()
        try:
            yield
        finally:
            lock.release()


def _print_refs(title: str, refs: tuple[ThreadRef, ...]) -> None:
    print_table(
        stdout_console(),
        title,
        ("thread", "kind", "turn", "standing", "captured", "ref"),
        ((one.thread_id, one.kind, one.turn_count, one.standing, one.captured_at, one.ref) for one in refs),
    )
