"""The command: checks what was asked for, opens the database, finds or makes the thread, plays one turn.

Ctrl-C interrupts the turn once it is under way. Before that, and the second time, it ends the host.
"""

from __future__ import annotations

import logging
import signal
from pathlib import Path
from typing import Final, cast, get_args
from uuid import uuid4

import anyio
import attrs
import click

from ....actors.providers.adapter import Provider
from ....actors.providers.session_config import NO_CONFIG, SandboxMode, SessionConfig
from ....contracts.admission import admit
from ....contracts.commands import (
    ProjectCreate,
    ThreadApprovalRespond,
    ThreadCreate,
    ThreadTurnInterrupt,
    ThreadTurnStart,
)
from ....contracts.errors import CommandRejected, InvalidRequest, NotFound
from ....contracts.ids import ApprovalRequestId, CommandId, MessageId, ProjectId, ThreadId
from ....contracts.new_values import now
from ....contracts.read_model import Snapshot, ThreadView
from ....contracts.values import (
    UNSET,
    Answers,
    ApprovalDecision,
    Attachment,
    Label,
    MessageText,
    Unset,
    UserMessage,
)
from ...host import open_runtime
from ...options import RuntimeOptions
from ...runtime import Runtime
from ..agent_parameter import AgentChoice, AgentParameter
from ..attached_files import read_attached_file
from ..parameters import database_argument
from ..session_options import session_config, session_options
from ..signals import run_until_signal
from .terminal import Approval, Terminal
from .turn import (
    ApprovalAsked,
    ApprovalSettled,
    FollowedTurn,
    MessageEnd,
    NoteShown,
    QuestionsAsked,
    TextShown,
    TurnEnd,
)

_STATUS: Final = {"completed": 0, "interrupted": 130, "error": 1}


@attrs.frozen(kw_only=True)
class _RunRequest:
    """What the command line asks for. `workspace` is None where it was not given."""

    database: Path
    agent: Provider
    workspace: Path | None
    thread_id: ThreadId
    start: ThreadTurnStart
    config: SessionConfig = NO_CONFIG


@click.command()
@database_argument
@click.argument("prompt")
@click.option(
    "--agent",
    type=AgentParameter(),
    required=True,
    help="A name that `orchestrion agents` lists, rehearsal, or acp:COMMAND.",
)
@click.option(
    "--workspace",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Where the agent works. Default: the thread's workspace; for a new thread, the current directory.",
)
@click.option(
    "--attach",
    "attached",
    metavar="FILE",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Send this file with the prompt: an image, text, or what the agent accepts. May be given 8 times.",
)
@click.option("--thread", "thread_id", metavar="ID", help="Continue this thread, or create it with this id.")
@click.option(
    "--approve",
    type=click.Choice(get_args(Approval)),
    default="ask",
    help="How to answer the agent's permission requests: ask on the terminal (default), always allow, or never.",
)
@click.option(
    "--mode",
    help="What the agent may do without asking: a mode of the ACP agent, Claude's permission mode, or Codex's sandbox.",
)
@session_options
@click.option("--model", help="The model for this turn.")
@click.option("--effort", help="The effort for this turn.")
@click.pass_context
def run(
    context: click.Context,
    *,
    database: Path,
    prompt: str,
    agent: AgentChoice,
    workspace: Path | None,
    attached: tuple[Path, ...],
    thread_id: str | None,
    approve: str,
    mode: str | None,
    mcp: tuple[str, ...],
    add_dir: tuple[Path, ...],
    sandbox: SandboxMode | None,
    env: tuple[str, ...],
    model: str | None,
    effort: str | None,
) -> None:
    """Run one turn of an agent and stream its text.

    Ctrl-C interrupts the turn, a second one stops the runtime, a third one ends the process at once. The thread is
    kept in DB in any case; continue it with --thread.
    """
    if not prompt.strip():
        raise click.BadParameter("the prompt is empty", param_hint="PROMPT")
    thread = ThreadId(str(uuid4()) if thread_id is None else thread_id)
    attachments = tuple(map(_attachment, attached))
    start = _turn_start(thread, prompt, attachments=attachments, model=model, effort=effort)
    order = _RunRequest(
        database=database,
        agent=agent.provider(mode),
        workspace=None if workspace is None else workspace.resolve(),
        thread_id=start.thread_id,
        start=start,
        config=session_config(mcp, add_dir, sandbox, env),
    )
    logging.getLogger("orchestrion").setLevel(logging.ERROR)  # the terminal shows the thread's history
    terminal = Terminal(cast("Approval", approve))
    turn = _TurnOnTerminal(order, terminal)
    try:
        status = run_until_signal(turn.play, on_signal=turn.signalled)
    finally:
        if turn.is_recorded:
            terminal.note(f"Continue with: --thread {order.thread_id}")
    context.exit(status)


def _attachment(path: Path) -> Attachment:
    """A file to send with the prompt.

    Raises:
        BadParameter: it is empty or too large.
    """
    try:
        return read_attached_file(path)
    except InvalidRequest as error:
        raise click.BadParameter(error.fault, param_hint="--attach") from None


def _turn_start(
    thread_id: ThreadId, prompt: str, *, attachments: tuple[Attachment, ...], model: str | None, effort: str | None
) -> ThreadTurnStart:
    """The turn that is asked for, checked before anything is opened or written.

    Raises:
        InvalidCommand: the prompt or an option is no proper value.
    """
    start = ThreadTurnStart(
        command_id=_command_id(),
        thread_id=thread_id,
        message=UserMessage(message_id=MessageId(str(uuid4())), text=MessageText(prompt), attachments=attachments),
        model=UNSET if model is None else Label(model),
        effort=UNSET if effort is None else Label(effort),
        created_at=now(),
    )
    admit(start, "client")
    return start


class _TurnOnTerminal:
    """One turn, from the opened database to its end. `is_recorded`: its thread is in the database."""

    def __init__(self, order: _RunRequest, terminal: Terminal) -> None:
        self._order = order
        self._terminal = terminal
        self._turn = FollowedTurn(command_id=order.start.command_id)
        self._interrupt = anyio.Event()
        self.is_recorded = False

    def signalled(self, number: int) -> bool:
        """Take the first SIGINT of a turn that is under way: it interrupts the turn. Anything else ends the host."""
        if number != signal.SIGINT or self._turn.turn_id is None or self._interrupt.is_set():
            return False
        self._interrupt.set()
        return True

    async def play(self) -> int:
        """Run the turn and return the exit status of its outcome."""
        config = self._order.config
        options = RuntimeOptions(choose_provider=None if config.is_empty else lambda _project, _thread: config)
        async with open_runtime(self._order.database, providers=[self._order.agent], options=options) as runtime:
            await _find_or_make_thread(runtime, self._order)
            self.is_recorded = True
            return _STATUS[await self._follow(runtime)]

    async def _follow(self, runtime: Runtime) -> str:
        """Ask for the turn and show it to its end. A question that is not open any more is taken back."""
        thread_id = self._order.thread_id
        before = (await runtime.get_snapshot(thread_id=thread_id, detail="summary")).snapshot_sequence
        await runtime.dispatch(self._order.start)
        questions: dict[ApprovalRequestId, anyio.CancelScope] = {}
        async with anyio.create_task_group() as tasks, runtime.subscribe(before, thread_id=thread_id) as events:
            tasks.start_soon(self._interrupt_on_signal, runtime)
            async for event in events:
                match self._turn.read_update(event):
                    case TextShown(text=text):
                        self._terminal.say(text)
                    case MessageEnd():
                        self._terminal.end_line()
                    case NoteShown(text=text):
                        self._terminal.note(text)
                    case (ApprovalAsked() | QuestionsAsked()) as asked:
                        questions[asked.request] = anyio.CancelScope()
                        tasks.start_soon(self._answer, runtime, asked, questions[asked.request])
                    case ApprovalSettled(request=request):
                        if request in questions:
                            questions.pop(request).cancel()
                    case TurnEnd() as ended:
                        tasks.cancel_scope.cancel()
                        self._terminal.end_line()
                        if ended.outcome != "completed":
                            self._terminal.note(f"The turn ended: {ended.error or ended.outcome}")
                        for command in ended.login:
                            self._terminal.note(f"Log in with: {command}")
                        return ended.outcome
                    case None:
                        pass
        return "interrupted"

    async def _interrupt_on_signal(self, runtime: Runtime) -> None:
        await self._interrupt.wait()
        assert self._turn.turn_id is not None, "a turn is interrupted once it has an id"
        interrupt = ThreadTurnInterrupt(
            command_id=_command_id(),
            thread_id=self._order.thread_id,
            turn_id=self._turn.turn_id,
            created_at=now(),
        )
        try:
            await runtime.dispatch(interrupt)
        except CommandRejected as rejected:  # the turn has ended meanwhile
            self._terminal.note(rejected.reason)

    async def _answer(
        self, runtime: Runtime, asked: ApprovalAsked | QuestionsAsked, open_question: anyio.CancelScope
    ) -> None:
        with open_question:
            decision, answers = await self._decide(asked)
            response = ThreadApprovalRespond(
                command_id=_command_id(),
                thread_id=self._order.thread_id,
                request_id=asked.request,
                decision=decision,
                answers=answers,
                created_at=now(),
            )
            try:
                await runtime.dispatch(response)
            except CommandRejected as rejected:
                self._terminal.note(rejected.reason)

    async def _decide(self, asked: ApprovalAsked | QuestionsAsked) -> tuple[ApprovalDecision, Answers | Unset]:
        if isinstance(asked, ApprovalAsked):
            return await self._terminal.decide(asked.question), UNSET
        answer = await self._terminal.fill_in(asked.summary, asked.questions)
        return (answer, UNSET) if isinstance(answer, str) else ("accept", Answers(dict(answer)))


async def _find_or_make_thread(runtime: Runtime, order: _RunRequest) -> None:
    """The thread of the order, made in the project of its workspace if there is none.

    Raises:
        NotFound: the thread was deleted.
        InvalidRequest: the thread works in another directory than the order names.
    """
    snapshot = await runtime.get_snapshot(detail="summary")
    thread = next((one for one in snapshot.threads if one.id == order.thread_id), None)
    if thread is None:
        await _make_thread(runtime, order, snapshot)
        return
    if thread.deleted_at is not None:
        raise NotFound("thread", thread.id, "was deleted: leave --thread out, or name another id")
    own = _workspace_of(thread, snapshot)
    if order.workspace is not None and not _are_one_directory(order.workspace, own):
        raise InvalidRequest(
            "workspace",
            f"thread {thread.id!r} works in {own}, not in {order.workspace}:"
            " leave --workspace out, or start a new thread",
        )


def _workspace_of(thread: ThreadView, snapshot: Snapshot) -> Path:
    if thread.worktree_path is not None:
        return Path(thread.worktree_path)
    return Path(next(one.workspace_root for one in snapshot.projects if one.id == thread.project_id))


def _are_one_directory(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


async def _make_thread(runtime: Runtime, order: _RunRequest, snapshot: Snapshot) -> None:
    workspace = order.workspace or Path.cwd()
    root = Label(str(workspace))
    living = [one for one in snapshot.projects if one.deleted_at is None]
    known = [one.id for one in living if _are_one_directory(workspace, Path(one.workspace_root))]
    project_id = known[0] if known else ProjectId(str(uuid4()))
    if not known:
        await runtime.dispatch(
            ProjectCreate(
                command_id=_command_id(),
                project_id=project_id,
                title=Label(workspace.name or str(workspace)),
                workspace_root=root,
                created_at=now(),
            )
        )
    model = order.start.model
    await runtime.dispatch(
        ThreadCreate(
            command_id=_command_id(),
            thread_id=order.thread_id,
            project_id=project_id,
            title=Label(order.start.message.text.strip().splitlines()[0][:80]),
            model=model,
            branch=None,
            worktree_path=None,
            created_at=now(),
        )
    )


def _command_id() -> CommandId:
    return CommandId(str(uuid4()))
