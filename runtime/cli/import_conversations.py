"""`orchestrion import`: the conversations that an agent keeps become threads."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import anyio
import attrs
import click

from ...actors.providers.adapter import KeepsConversations, Provider
from ...contracts.codec import to_json
from ...contracts.conversations import ImportedConversation, ListedConversation
from ...contracts.ids import ThreadId
from ...domain.imports import import_thread_id
from ...persistence.inspection import open_read_only
from ..host import open_runtime
from .agent_parameter import AgentChoice, AgentParameter
from .output import excerpt, print_line, print_table, stdout_console, write_json
from .parameters import database_argument, json_option
from .signals import run_until_signal

_DONE: Final = ("imported", "extended", "unchanged", "continued")


@attrs.frozen(kw_only=True)
class _Listed:
    """A conversation of the agent, and its thread where it was imported."""

    conversation: ListedConversation
    thread_id: ThreadId | None


@click.command(name="import")
@database_argument
@click.argument("agent", type=AgentParameter())
@click.option("--list", "lists", is_flag=True, help="List the agent's conversations, and import none.")
@click.option("--all", "takes_all", is_flag=True, help="Import every one of them.")
@click.option("--session", "sessions", multiple=True, metavar="ID", help="Import this one; may be given several times.")
@click.option(
    "--project",
    "directory",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Only those that work in this directory.",
)
@json_option
@click.pass_context
def import_conversations(
    context: click.Context,
    *,
    database: Path,
    agent: AgentChoice,
    lists: bool,
    takes_all: bool,
    sessions: tuple[str, ...],
    directory: Path | None,
    as_json: bool,
) -> None:
    """Make threads of the conversations that AGENT keeps.

    AGENT is a name that `orchestrion agents` lists, or acp:COMMAND. Messages and tools are taken over; the next turn of
    the thread continues the agent's conversation. Imported again, a conversation adds what is new, or nothing.

    Exit status 1: a conversation could not be imported.
    """
    if sum((lists, takes_all, bool(sessions))) != 1:
        raise click.UsageError("give one of --list, --all and --session ID")
    provider = agent.provider(None)
    place = None if directory is None else directory.resolve()
    if lists:
        _show_list(anyio.run(_list, provider, place, database), as_json=as_json)
        return

    async def run() -> int:
        async with open_runtime(database) as runtime:
            wanted = None if takes_all else sessions
            done = await runtime.import_conversations(provider, directory=place, sessions=wanted)
        _show_imports(done, as_json=as_json)
        return 0 if all(one.outcome in _DONE for one in done) else 1

    context.exit(run_until_signal(run))


async def _list(provider: Provider, directory: Path | None, database: Path) -> tuple[_Listed, ...]:
    if not isinstance(provider, KeepsConversations):
        raise click.BadParameter(f"{provider.name} does not list its conversations", param_hint="AGENT")
    known = _known_threads(database)
    async with provider.open_conversations(directory or Path.cwd()) as kept:
        listed = await kept.list(directory)
    threads = [import_thread_id(provider.name, one.session_id) for one in listed]
    return tuple(
        _Listed(conversation=one, thread_id=thread if thread in known else None)
        for one, thread in zip(listed, threads, strict=True)
    )


def _known_threads(database: Path) -> frozenset[str]:
    if not os.path.exists(database):
        return frozenset()
    with open_read_only(database) as opened:
        return frozenset(name for (name,) in opened.execute_sql("SELECT thread_id FROM projection_threads").fetchall())


def _show_list(listed: Sequence[_Listed], *, as_json: bool) -> None:
    if as_json:
        write_json({"conversations": [{**to_json(one.conversation), "threadId": one.thread_id} for one in listed]})
        return
    print_table(
        stdout_console(),
        "Conversations",
        ("id", "directory", "title", "updated", "thread"),
        (
            (
                one.conversation.session_id,
                one.conversation.directory,
                excerpt(one.conversation.title),
                one.conversation.updated_at,
                one.thread_id,
            )
            for one in listed
        ),
    )


def _show_imports(done: Sequence[ImportedConversation], *, as_json: bool) -> None:
    if as_json:
        write_json({"imports": [to_json(one) for one in done]})
        return
    console = stdout_console()
    print_table(
        console,
        "Imports",
        ("id", "outcome", "items added", "thread", "reason"),
        ((one.conversation.session_id, one.outcome, one.added, one.thread_id, one.reason) for one in done),
    )
    for one in done:
        for fault in one.faults:
            print_line(console, f"{one.conversation.session_id}: left out: {fault}")
