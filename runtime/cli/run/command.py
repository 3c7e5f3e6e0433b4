"""The command: opens the database, finds or makes project and thread, plays one turn, and says how to go on."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Final, cast, get_args
from uuid import uuid4

import anyio
import attrs
import click

from ....actors.providers.adapter import Provider
from ...contracts.commands import (
    ProjectCreate,
    ThreadApprovalRespond,
    ThreadCreate,
    ThreadTurnInterrupt,
    ThreadTurnStart,
)
from ...contracts.errors import CommandRejected
from ...contracts.ids import ApprovalRequestId, CommandId, MessageId, ProjectId, ThreadId
from ...contracts.values import UNSET, Label, MessageText, UserMessage
from ...host import open_runtime
from ...runtime import Runtime
from ..agents import AgentParameter
from ..clock import now
from ..parameters import database_argument
from .terminal import Approval, Terminal
from .turn import Asked, Ended, FollowedTurn, Noted, Resolved, Said, SaidAll

_STATUS: Final = {"completed": 0, "interrupted": 130, "error": 1}


@attrs.frozen(kw_only=True)
class _Order:
    """What the command line asks for."""

    workspace: Path
    thread_id: ThreadId
    prompt: str
    model: str | None
    effort: str | None


@click.command()
@database_argument
@click.argument("prompt")
@click.option("--agent", type=AgentParameter(), required=True, help="codex, claude, rehearsal, or acp:COMMAND.")
@click.option(
    "--workspace",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    help="Where the agent works; the current directory by default.",
)
@click.option("--thread", "thread_id", metavar="ID", help="Go on with this thread, or start one of this id.")
@click.option(
    "--approve",
    type=click.Choice(get_args(Approval)),
    default="ask",
    help="What to do when the agent asks: ask on the terminal (default), always, or never.",
)
@click.option("--model", help="The model for this turn.")
@click.option("--effort", help="The effort for this turn.")
@click.pass_context
def run(
    context: click.Context,
    *,
    database: Path,
    prompt: str,
    agent: Provider,
    workspace: Path,
    thread_id: str | None,
    approve: str,
    model: str | None,
    effort: str | None,
) -> None:
    """Run one turn of an agent and stream what it says.

    Ctrl-C interrupts the turn, a second one ends the host. Whatever happens, the thread stands in DB: --thread goes on
    with it.
    """
    order = _Order(
        workspace=workspace.resolve(),
        thread_id=ThreadId(thread_id or str(uuid4())),
        prompt=prompt,
        model=model,
        effort=effort,
    )
    terminal = Terminal(cast("Approval", approve))
    status = anyio.run(_run, database, agent, order, terminal)
    terminal.note(f"Go on with: --thread {order.thread_id}")
    context.exit(status)


async def _run(database: Path, agent: Provider, order: _Order, terminal: Terminal) -> int:
    async with open_runtime(database, providers=[agent]) as runtime:
        await _make_thread(runtime, order)
        start = _turn_start(order)
        async with anyio.create_task_group() as tasks:
            turn = FollowedTurn(command_id=start.command_id)
            tasks.start_soon(_watch_signals, runtime, order, turn, tasks.cancel_scope)
            outcome = await _play(runtime, start, turn, terminal)
            tasks.cancel_scope.cancel()
            return _STATUS[outcome]
    return _STATUS["interrupted"]


async def _make_thread(runtime: Runtime, order: _Order) -> None:
    """The thread of the order, made in the project of its workspace if there is none."""
    snapshot = await runtime.get_snapshot(detail="summary")
    if any(thread.id == order.thread_id for thread in snapshot.threads):
        return
    root = Label(str(order.workspace))
    known = [one.id for one in snapshot.projects if one.workspace_root == root and one.deleted_at is None]
    project_id = known[0] if known else ProjectId(str(uuid4()))
    if not known:
        await runtime.dispatch(
            ProjectCreate(
                command_id=_command_id(),
                project_id=project_id,
                title=Label(order.workspace.name or str(order.workspace)),
                workspace_root=root,
                created_at=now(),
            )
        )
    await runtime.dispatch(
        ThreadCreate(
            command_id=_command_id(),
            thread_id=order.thread_id,
            project_id=project_id,
            title=Label((order.prompt.strip().splitlines() or ["A thread"])[0][:80]),
            model=Label(order.model or "default"),
            branch=None,
            worktree_path=None,
            created_at=now(),
        )
    )


def _turn_start(order: _Order) -> ThreadTurnStart:
    return ThreadTurnStart(
        command_id=_command_id(),
        thread_id=order.thread_id,
        message=UserMessage(message_id=MessageId(str(uuid4())), text=MessageText(order.prompt)),
        model=UNSET if order.model is None else Label(order.model),
        effort=UNSET if order.effort is None else Label(order.effort),
        created_at=now(),
    )


async def _play(runtime: Runtime, start: ThreadTurnStart, turn: FollowedTurn, terminal: Terminal) -> str:
    """Ask for the turn and show it to its end. A question that is not open any more is taken back."""
    before = (await runtime.get_snapshot(thread_id=start.thread_id, detail="summary")).snapshot_sequence
    await runtime.dispatch(start)
    questions: dict[ApprovalRequestId, anyio.CancelScope] = {}
    async with anyio.create_task_group() as asking, runtime.subscribe(before, thread_id=start.thread_id) as events:
        async for event in events:
            match turn.see(event):
                case Said(text=text):
                    terminal.say(text)
                case SaidAll():
                    terminal.end_line()
                case Noted(text=text):
                    terminal.note(text)
                case Asked() as asked:
                    questions[asked.request] = anyio.CancelScope()
                    asking.start_soon(_answer, runtime, start.thread_id, asked, terminal, questions[asked.request])
                case Resolved(request=request):
                    if request in questions:
                        questions.pop(request).cancel()
                case Ended() as ended:
                    asking.cancel_scope.cancel()
                    terminal.end_line()
                    if ended.outcome != "completed":
                        terminal.note(f"The turn ended: {ended.error or ended.outcome}")
                    return ended.outcome
                case None:
                    pass
    return "interrupted"


async def _answer(
    runtime: Runtime, thread_id: ThreadId, asked: Asked, terminal: Terminal, open_question: anyio.CancelScope
) -> None:
    with open_question:
        decision = await terminal.decide(asked.question)
        try:
            await runtime.dispatch(
                ThreadApprovalRespond(
                    command_id=_command_id(),
                    thread_id=thread_id,
                    request_id=asked.request,
                    decision=decision,
                    created_at=now(),
                )
            )
        except CommandRejected as rejected:
            terminal.note(rejected.reason)


async def _watch_signals(runtime: Runtime, order: _Order, turn: FollowedTurn, host: anyio.CancelScope) -> None:
    """The first Ctrl-C asks the agent to end its turn; the next one, or a SIGTERM, ends the host."""
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        has_asked = False
        async for number in signals:
            if number == signal.SIGTERM or has_asked or turn.turn_id is None:
                host.cancel()
                return
            has_asked = True
            try:
                await runtime.dispatch(
                    ThreadTurnInterrupt(
                        command_id=_command_id(),
                        thread_id=order.thread_id,
                        turn_id=turn.turn_id,
                        created_at=now(),
                    )
                )
            except CommandRejected:
                host.cancel()
                return


def _command_id() -> CommandId:
    return CommandId(str(uuid4()))
