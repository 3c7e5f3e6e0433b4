"""The half of the house that drives agents: recovery, the router with its sessions, the checkpointer."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import anyio
import peewee

from ..actors.checkpoints.captures_under_way import CaptureHealth
from ..actors.checkpoints.checkpointer import Checkpointer
from ..actors.checkpoints.git import RefNames
from ..actors.checkpoints.reverter import Reverter
from ..actors.checkpoints.turn_workspace import TurnWorkspace
from ..actors.checkpoints.workspace_use import WorkspaceUse
from ..actors.last_errors import LastErrors
from ..actors.log.command_sender import CommandSender
from ..actors.log.dispatcher import Dispatcher
from ..actors.log.event_log import EventLog
from ..actors.log.intent_notes import IntentNotes
from ..actors.log.secret_answers import SecretAnswers
from ..actors.projecting.projectors import Projectors
from ..actors.providers.adapter import Provider
from ..actors.providers.guarded_provider import guard_provider
from ..actors.providers.process.orphans import end_orphan
from ..actors.providers.provider_calls import ProviderCalls
from ..actors.providers.session_limits import SessionLimits
from ..actors.sessions.health import SessionHealth
from ..actors.sessions.parts import SessionParts
from ..actors.sessions.projected_history import ProjectedHistory
from ..actors.sessions.provider_choice import ProviderChoice
from ..actors.sessions.router import ProviderRouter
from ..actors.sessions.starter import AgentStarter
from ..actors.supervisor import OFTEN, Supervisor
from ..contracts.admission import admit_own
from ..contracts.errors import CommandRejected, InvalidRequest
from ..contracts.ids import ProviderSessionId
from ..domain.recover import RecoveryCommand, recover
from ..persistence.batches import NOTHING
from ..persistence.checkpoint_rows import UncapturedTurn, read_uncaptured_turns
from ..persistence.command_envelope import CommandEnvelope
from ..persistence.command_group import CommandGroup, GroupOutcome
from ..persistence.crash_points import crash_point
from ..persistence.identity import DatabaseCopy, DatabaseIdentity, copy_of, read_identity, renew_identity
from ..persistence.lane import WriteLane
from ..persistence.provider_runtime import ProviderRuntimeRow, read_live_runtimes, set_runtime_status
from ..persistence.readers import ReaderPool
from ..persistence.recovery_rows import read_abandoned_threads
from ..persistence.single_write import write_alone
from .options import RuntimeOptions

RECORDING_SECONDS: Final = 2.0
"""How much of a stop's deadline is left to record how sessions ended."""

_logger = logging.getLogger(__name__)


def providers_by_name(
    providers: Sequence[Provider], calls: ProviderCalls, limits: SessionLimits
) -> dict[str, Provider]:
    """The providers by their names, each behind its guard.

    Raises:
        InvalidRequest: two have one name, or one has none.
    """
    guards = [guard_provider(provider, calls, limits) for provider in providers]
    by_name = {provider.name: provider for provider in guards}
    if len(by_name) != len(guards):
        raise InvalidRequest("providers", f"expected different names, found {[one.name for one in guards]}")
    return by_name


class ProviderHost:
    """Recovers what a dead host left, then performs intents. Without providers it is passive: it does neither."""

    def __init__(
        self,
        *,
        providers: Mapping[str, Provider],
        calls: ProviderCalls,
        options: RuntimeOptions,
        lane: WriteLane,
        readers: ReaderPool,
        log: EventLog,
        group: CommandGroup,
        dispatcher: Dispatcher,
        secrets: SecretAnswers,
        projectors: Projectors,
        errors: LastErrors,
        reactor_position: int,
        database: Path,
    ) -> None:
        self._errors = errors
        self._providers = providers
        self._calls = calls
        self._database = database
        self._identity: DatabaseIdentity | None = None
        self._copy: DatabaseCopy | None = None
        self._uncaptured: tuple[TurnWorkspace, ...] = ()
        self._is_passive = not providers
        self._options = options
        self._dispatcher = dispatcher
        self._secrets = secrets
        self._readers = readers
        self._lane = lane
        self._log = log
        self._group = group
        self._projectors = projectors
        self._reactor_position = reactor_position
        self._checkpointer: Checkpointer | None = None
        self._captures_ended: anyio.Event | None = None
        self._router: ProviderRouter | None = None

    def sessions(self) -> tuple[SessionHealth, ...]:
        return () if self._router is None else self._router.sessions()

    def captures(self) -> tuple[CaptureHealth, ...]:
        return () if self._checkpointer is None else self._checkpointer.health()

    def copy(self) -> DatabaseCopy | None:
        return self._copy

    async def recover(self) -> None:
        """Settle what a dead host left, in one transaction, before the first command.

        1. Agents of the dead host that still live are ended. Those of a host that lives are not, nor those that a
           copy of a database names: they belong to the database that was copied.
        2. What they were doing is settled by internal commands; in a copy, by `copy_policy`, queued turns too.
        3. Their runtime rows become stopped, cursors kept; a copy gets an identity of its own.
        """
        identity = await self._lane.run(lambda database: read_identity(database, self._database))
        self._copy = copy_of(identity)
        if self._is_passive:
            return
        is_copy = self._copy is not None and self._copy.is_new
        uncaptured = await self._lane.run(read_uncaptured_turns)
        self._uncaptured = tuple(_turn_workspace(turn) for turn in uncaptured)
        live = await self._lane.run(read_live_runtimes)
        async with anyio.create_task_group() as endings:
            for row in () if is_copy else live:
                endings.start_soon(end_orphan, row)
        crash_point("recovery.agents-ended")
        settled = await self._lane.run(partial(self._settle, is_copy=is_copy))
        crash_point("recovery.settled")
        self._note_rejected(settled)
        self._log.publish(settled.batch)
        crash_point("recovery.published")
        if live or identity is None or not identity.is_up_to_date:
            close = partial(self._close_lives, live=live)
            await self._lane.run(lambda database: write_alone(database, close, durability="full"))
        self._identity = await self._lane.run(lambda database: read_identity(database, self._database))
        if is_copy and identity is not None and self._identity is not None:
            _logger.warning(
                "%s is a copy of the database %s: it is %s from now on, and captures under its own refs",
                self._database,
                identity.id,
                self._identity.id,
                extra={"database_identity": self._identity.id},
            )

    def start(self, supervisor: Supervisor) -> None:
        if self._is_passive:
            return
        options, mint = self._options, self._options.mint
        sender = CommandSender(self._dispatcher, self._errors, storage_deadline=options.sessions.storage_deadline)
        use = WorkspaceUse()
        notes = IntentNotes(sender, mint)
        names = RefNames(database=None if self._identity is None else self._identity.id)
        self._checkpointer = Checkpointer(
            self._lane, sender, mint, use, database=self._database, names=names, budget=options.captures
        )
        self._checkpointer.settle_first(self._uncaptured)
        parts = SessionParts(
            readers=self._readers,
            projectors=self._projectors,
            starter=AgentStarter(
                choice=ProviderChoice(providers=self._providers, choose=options.choose_provider),
                lane=self._lane,
                sender=sender,
                mint=mint,
                history=lambda thread_id: ProjectedHistory(
                    thread_id=thread_id, readers=self._readers, projectors=self._projectors
                ),
                python=None if options.python is None else os.fspath(options.python),
                resume_policy=options.resume_policy,
            ),
            checkpointer=self._checkpointer,
            reverter=Reverter(
                use=use,
                sender=sender,
                notes=notes,
                mint=mint,
                database=self._database,
                names=names,
                readers=self._readers,
                policy=options.revert_policy,
            ),
            notes=notes,
            secrets=self._secrets,
            limits=options.sessions,
        )
        self._router = ProviderRouter(
            self._log, self._lane, parts, mint, errors=self._errors, position=self._reactor_position
        )
        self._captures_ended = supervisor.start("checkpointer", self._checkpointer.run, OFTEN)
        supervisor.start("provider-router", self._router.run)

    def abandon(self) -> None:
        """The actors were cancelled: what they had still to do is for the next start."""
        if self._checkpointer is not None:
            self._checkpointer.abandon()

    async def stop(self) -> None:
        """End sessions and agents; captures that were asked for are done.

        Calls into providers are given up a little before the stop's deadline, so that what they led to is recorded.
        """
        deadline = self._options.shutdown_deadline
        self._calls.hurry(anyio.current_time() + deadline - min(RECORDING_SECONDS, deadline / 2))
        if self._router is not None:
            await self._router.stop()
        if self._checkpointer is not None:
            self._checkpointer.close()
        if self._captures_ended is not None:
            await self._captures_ended.wait()

    def _settle(self, database: peewee.SqliteDatabase, *, is_copy: bool) -> GroupOutcome:
        mint = self._options.mint
        threads = read_abandoned_threads(
            database,
            intents_after=self._reactor_position,
            is_copy=is_copy,
            performs_copied=self._options.copy_policy == "perform",
        )
        commands = recover(threads, recovery_id=mint.new_id(), now=mint.now())
        if not commands:
            return GroupOutcome(answers=(), batch=NOTHING)
        outcome = self._group.handle([_envelope(command) for command in commands], self._projectors.positions())
        for answer in outcome.answers:
            if isinstance(answer, Exception) and not isinstance(answer, CommandRejected):
                raise answer
        return outcome

    def _note_rejected(self, settled: GroupOutcome) -> None:
        for answer in settled.answers:
            if isinstance(answer, CommandRejected):
                self._errors.note("recovery", answer)
                _logger.error(
                    "recovery could not settle everything: %s", answer, extra={"command_id": answer.command_id}
                )

    def _close_lives(self, database: peewee.SqliteDatabase, live: Sequence[ProviderRuntimeRow]) -> None:
        for row in live:
            session = ProviderSessionId(row.provider_session_id)
            set_runtime_status(database, session, "stopped", self._options.mint.now())
        renew_identity(database, self._database)


def _envelope(recovered: RecoveryCommand) -> CommandEnvelope:
    return CommandEnvelope.of(
        admit_own(recovered.command, "server"),
        "server",
        caused_by=recovered.caused_by,
        correlation_id=recovered.correlation_id,
    )


def _turn_workspace(turn: UncapturedTurn) -> TurnWorkspace:
    return TurnWorkspace(
        thread_id=turn.thread_id,
        turn_id=turn.turn_id,
        turn_count=turn.turn_count,
        path=Path(turn.workspace),
    )
