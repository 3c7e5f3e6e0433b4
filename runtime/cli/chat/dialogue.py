"""Prompts and their turns, one after the other, and the commands between them."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import anyio

from ....contracts.errors import OrchestrionError
from ....contracts.values import Attachment
from ....persistence.threads import in_thread
from ...handles import ThreadHandle, TurnHandle
from ...runtime import Runtime
from ..attached_files import read_attached_file
from ..output import shown_size
from ..run.terminal import Terminal
from ..threads import state_of
from .turn_printer import print_item

_HELP: Final = """/diff      what the last turn changed
/revert N  take files and conversation back to the end of turn N; 0 is before the first
/attach F  send the file F with the next prompt
/model M   use this model from now on
/threads   the threads of this database
/thread ID continue another thread
/new       start a new thread
/quit      leave"""


class Dialogue:
    """A conversation on a terminal. `take_signal` is called by the signal handler, `talk` by one task."""

    def __init__(self, terminal: Terminal, *, workspace: Path | None, thread_id: str | None, model: str | None) -> None:
        self._terminal = terminal
        self._workspace = workspace
        self._thread_id = thread_id
        self._model = model
        self._thread: ThreadHandle | None = None
        self._last_turn: TurnHandle | None = None
        self._attachments: list[Attachment] = []
        self._interrupt: anyio.Event | None = None
        self._is_over = False
        self._commands: dict[str, Callable[[Runtime, str], Awaitable[None]]] = {
            "/help": self._show_help,
            "/diff": self._show_diff,
            "/revert": self._revert,
            "/attach": self._attach,
            "/model": self._set_model,
            "/threads": self._list_threads,
            "/thread": self._continue_thread,
            "/new": self._start_anew,
            "/quit": self._quit,
        }

    def take_signal(self, number: int) -> bool:
        """Take the first SIGINT of a turn: it interrupts the turn. Anything else ends the conversation."""
        if number != signal.SIGINT or self._interrupt is None or self._interrupt.is_set():
            return False
        self._interrupt.set()
        return True

    async def talk(self, runtime: Runtime) -> None:
        """Read prompts and commands until the end of the input or `/quit`."""
        if self._thread_id is not None:
            workspace = self._workspace or Path.cwd()
            self._thread = await self._find_or_make(runtime, self._thread_id, workspace)
        while not self._is_over:
            line = await self._terminal.read_prompt()
            if line is None:
                break
            if not line.strip():
                continue
            try:
                await self._perform(runtime, line)
            except OrchestrionError as error:
                self._terminal.note(f"! {error}")
        if self._thread is not None:
            self._terminal.note(f"Continue with: --thread {self._thread.thread_id}")

    async def _find_or_make(self, runtime: Runtime, thread_id: str, workspace: Path) -> ThreadHandle:
        known = {one.id for one in (await runtime.get_snapshot(detail="summary")).threads}
        place = self._workspace if thread_id in known else workspace
        return await runtime.open_thread(workspace=place, thread_id=thread_id, title=thread_id)

    async def _perform(self, runtime: Runtime, line: str) -> None:
        word, _, argument = line.strip().partition(" ")
        if not word.startswith("/"):
            await self._take_turn(runtime, line)
        elif word in self._commands:
            await self._commands[word](runtime, argument.strip())
        else:
            self._terminal.note(f"! there is no {word}; /help lists what there is")

    async def _take_turn(self, runtime: Runtime, prompt: str) -> None:
        if self._thread is None:
            workspace = self._workspace or Path.cwd()
            self._thread = await runtime.open_thread(workspace=workspace, title=prompt.strip().splitlines()[0][:80])
        asked = self._thread.turn(
            prompt,
            on_approval=self._terminal.decide_request,
            on_question=self._terminal.fill_in_form,
            attachments=tuple(self._attachments),
            model=self._model,
        )
        self._attachments.clear()
        interrupt = self._interrupt = anyio.Event()
        try:
            async with asked as turn, anyio.create_task_group() as tasks:
                self._last_turn = turn
                tasks.start_soon(self._interrupt_on_signal, turn, interrupt)
                async for item in turn:
                    print_item(self._terminal, item)
                tasks.cancel_scope.cancel()
        finally:
            self._interrupt = None

    async def _interrupt_on_signal(self, turn: TurnHandle, asked: anyio.Event) -> None:
        await asked.wait()
        self._terminal.note("interrupting")
        await turn.interrupt()

    async def _show_help(self, runtime: Runtime, argument: str) -> None:
        for line in _HELP.splitlines():
            self._terminal.note(line)

    async def _show_diff(self, runtime: Runtime, argument: str) -> None:
        if self._last_turn is None:
            self._terminal.note("No turn has run yet")
            return
        diff = await self._last_turn.diff()
        self._terminal.say(diff or "The last turn changed nothing\n")
        self._terminal.end_line()

    async def _revert(self, runtime: Runtime, argument: str) -> None:
        if self._thread is None or not argument.isdecimal():
            self._terminal.note("! /revert needs the number of a turn, such as /revert 1")
            return
        count = int(argument)
        preview = await runtime.preview_revert(self._thread.thread_id, count)
        self._terminal.note(f"{len(preview.written)} files are written, {len(preview.removed)} are removed")
        if preview.undoes_others:
            self._terminal.note("! that would undo work of others: orchestrion checkpoints preview lists it")
            return
        await self._thread.revert(count)
        self._terminal.note(f"Going back to the end of turn {count}")

    async def _attach(self, runtime: Runtime, argument: str) -> None:
        attachment = await in_thread(read_attached_file, Path(argument))
        self._attachments.append(attachment)
        size = shown_size(attachment.size_bytes)
        self._terminal.note(f"{attachment.name} ({attachment.mime_type}, {size}) goes with the next prompt")

    async def _set_model(self, runtime: Runtime, argument: str) -> None:
        self._model = argument or None
        self._terminal.note(f"The model is {argument}" if argument else "The model is the thread's")

    async def _list_threads(self, runtime: Runtime, argument: str) -> None:
        threads = [one for one in (await runtime.get_snapshot(detail="summary")).threads if one.deleted_at is None]
        for one in sorted(threads, key=lambda one: one.updated_at, reverse=True):
            mark = "*" if self._thread is not None and one.id == self._thread.thread_id else " "
            self._terminal.note(f"{mark} {one.id}  {one.title}  ({state_of(one)})")

    async def _continue_thread(self, runtime: Runtime, argument: str) -> None:
        self._thread = await runtime.open_thread(thread_id=argument or "")
        self._last_turn = None
        self._terminal.note(f"Continuing {argument}")

    async def _start_anew(self, runtime: Runtime, argument: str) -> None:
        self._thread, self._last_turn = None, None
        self._terminal.note("The next prompt starts a new thread")

    async def _quit(self, runtime: Runtime, argument: str) -> None:
        self._is_over = True
