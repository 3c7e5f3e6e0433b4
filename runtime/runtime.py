"""The runtime as a host sees it: commands in, reads out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from ..actors.log.dispatcher import Dispatcher, Submission
from ..actors.log.event_log import EventLog
from ..actors.projecting.projectors import Projectors
from ..actors.projecting.rebuilder import Rebuilder
from ..actors.providers.adapter import Provider
from ..contracts.admission import admit
from ..contracts.commands import Command
from ..contracts.conversations import ImportedConversation
from ..contracts.ids import ThreadId, TurnId
from ..contracts.read_model import (
    DispatchResult,
)
from ..contracts.values import ActorKind
from ..persistence.bootstrap import ProgressListener
from ..persistence.command_envelope import CommandEnvelope
from ..persistence.readers import ReaderPool
from .conversation_import import ConversationImporter
from .handles import OnApproval, OnQuestion, ThreadHandle, ThreadOpener, TurnHandle, follow_found
from .health import Health, HealthSource
from .reads import Reads
from .rpc import Method, handle


class Runtime(Reads):
    """An open database with everything that runs on it. Made by `open_runtime`; its methods may be called by any task.

    Once the runtime has stopped, commands and reads raise `RuntimeStopped`. Once it has failed, commands raise
    `RuntimeFailed`, and reads go on.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        log: EventLog,
        projectors: Projectors,
        readers: ReaderPool,
        *,
        rebuilder: Rebuilder,
        importer: ConversationImporter,
        health: HealthSource,
    ) -> None:
        super().__init__(log, projectors, readers)
        self._dispatcher = dispatcher
        self._rebuilder = rebuilder
        self._importer = importer
        self._health = health
        self._opener = ThreadOpener(self)

    async def submit(
        self, command: Command, *, actor: ActorKind = "client", expected_version: int | None = None
    ) -> Submission:
        """Put a command into the mailbox, behind every command submitted before, and return at once.

        Waits while the mailbox is full. `await submission.result()` gives the outcome; whether it is awaited or not,
        the command is handled. Cancelled while it waits, the command's outcome is unknown until it is sent again.

        Raises:
            InvalidCommand: a field is at fault, or a client sent an internal command. Nothing was submitted.
            RuntimeStopped: the runtime is stopping.
            RuntimeFailed: the runtime has failed.
        """
        return await self._dispatcher.submit(_envelope(command, actor, expected_version))

    def submit_nowait(
        self, command: Command, *, actor: ActorKind = "client", expected_version: int | None = None
    ) -> Submission:
        """Put a command into the mailbox as `submit` does, if there is room for it.

        Raises:
            Overloaded: the mailbox is full, or others wait for room already. Nothing was submitted.
            InvalidCommand: a field is at fault, or a client sent an internal command. Nothing was submitted.
            RuntimeStopped: the runtime is stopping.
            RuntimeFailed: the runtime has failed.
        """
        return self._dispatcher.submit_nowait(_envelope(command, actor, expected_version))

    async def dispatch(
        self,
        command: Command,
        *,
        actor: ActorKind = "client",
        expected_version: int | None = None,
        wait_for: Collection[str] = (),
    ) -> DispatchResult:
        """Decide a command and commit its events; returns when they are durable.

        The same command may be sent again at any time: it is decided once and answered the same, `duplicate` set.
        `wait_for` names projectors whose rows are to show the events before this returns. Cancelled, the command's
        outcome is unknown until it is sent again.

        Raises:
            InvalidCommand: a field is at fault, or a client sent an internal command. Nothing was written.
            CommandRejected: the command breaches an invariant. The rejection is receipted.
            CommandIdReused: the id belongs to an accepted command with other content.
            ConcurrencyConflict: the stream is not at `expected_version`.
            InvalidRequest: a name in `wait_for` is no projector's. Nothing was written.
            ProjectionStalled: a projector in `wait_for` has halted; the command is accepted.
            StoreError: nothing was written, the same command may be sent again.
            RuntimeStopped: the runtime is stopping.
            RuntimeFailed: the runtime has failed.
        """
        self._projectors.check_names(wait_for)
        submission = await self.submit(command, actor=actor, expected_version=expected_version)
        result = await submission.result()
        if wait_for:
            await self._projectors.wait_until(result.sequence, wait_for)
        return result

    async def wait_until_projected(self, sequence: int) -> None:
        """Wait until every projection shows the events up to `sequence`.

        Raises:
            ProjectionStalled: a projector has halted before it.
        """
        await self._projectors.wait_until(sequence)

    async def rebuild(self, projectors: Collection[str] = (), *, progress: ProgressListener | None = None) -> None:
        """Rebuild the rows of these projectors, of all by default, from the log, while everything else continues.

        Returns when each has swapped rows and position, in one separate transaction, and continues from there; one
        that had halted is live again. A second rebuild waits for the first. `progress` is called on the
        event loop after each page of the replay. Cancelled, or after an error, a projector that has not swapped keeps
        its old rows.

        Raises:
            InvalidRequest: a name is no projector's.
            ProjectionStalled: an event cannot be applied to the new rows.
            StoreError: the storage failed; where a commit failed, the old rows are there or the new ones.
            RuntimeStopped: the runtime is stopping.
        """
        await self._rebuilder.rebuild(projectors, progress=progress)

    async def open_thread(
        self,
        *,
        workspace: str | Path | None = None,
        thread_id: str | None = None,
        title: str | None = None,
        model: str | None = None,
        provider: str | None = None,
    ) -> ThreadHandle:
        """Go on with the thread `thread_id`, or make one whose agent works in `workspace`, in the project of it.

        A thread that is made has the given id or a new one. The project is the one of this directory; it is made where
        there is none.

        Raises:
            InvalidRequest: the workspace is no directory, is missing, or is not the one of the thread.
            NotFound: the thread was deleted, or there is none and no workspace to make it in.
        """
        named = None if thread_id is None else ThreadId(thread_id)
        return await self._opener.open(workspace, named, title=title, model=model, provider=provider)

    def turn(
        self,
        turn_id: str,
        *,
        after: int = 0,
        on_approval: OnApproval | None = None,
        on_question: OnQuestion | None = None,
    ) -> AbstractAsyncContextManager[TurnHandle]:
        """Follow a turn that was asked for before, also by another runtime. `after` is the position to go on from.

        Raises:
            NotFound: there is no such turn; when the block is entered.
        """
        return follow_found(self, TurnId(turn_id), after=after, on_approval=on_approval, on_question=on_question)

    async def import_conversations(
        self, provider: Provider, *, directory: Path | None = None, sessions: Collection[str] | None = None
    ) -> tuple[ImportedConversation, ...]:
        """Make threads of conversations that the provider's agent keeps; a thread's next turn continues one.

        Of those in `directory`, or of all, the ones with the agent's ids `sessions`, or all. Each becomes a thread of
        the project that works in its directory, made where there is none. Imported again, a conversation adds what is
        new, or nothing. A conversation that cannot be read is `refused`, and the others go on. The provider need not be
        one of this runtime's. Cancelled, or after an error, the same call completes what it began.

        Raises:
            InvalidRequest: the provider's agent cannot be asked, or keeps no conversation of such an id.
            ProviderUnavailable: the agent does not come up, or does not list its conversations.
            ProviderProtocolError: it broke its protocol.
            SessionLost: it ended.
            ProjectionStalled: a projector has halted, or keeps retrying; names it.
            StoreError: the storage failed.
            RuntimeStopped: the runtime is stopping.
            RuntimeFailed: the runtime has failed.
        """
        return await self._importer.import_all(provider, directory=directory, sessions=sessions)

    def health(self) -> Health:
        """The runtime now: positions, lag, queue depths, sessions, captures, quarantined events, restarts."""
        return self._health.read()

    async def handle(self, method: Method | str, params: Mapping[str, Any]) -> dict[str, Any]:
        """An RPC by name, JSON data in and out: `{"result": …}`, or `{"error": {code, message, data}}`."""
        return await handle(self, method, params)


def _envelope(command: Command, actor: ActorKind, expected_version: int | None) -> CommandEnvelope:
    return CommandEnvelope.of(admit(command, actor), actor, expected_version=expected_version)
