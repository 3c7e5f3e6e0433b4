"""Importing the conversations that an agent keeps: each becomes a thread, whose next turn goes on in it.

The commands are planned by `domain/imports.py` and sent as actor `server`. The cursor is stored before the thread's
session names it, so that a crash anywhere leaves a thread that the same import completes.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

import attrs
import orjson
import peewee

from ..actors.log.dispatcher import Dispatcher, Submission
from ..actors.projecting.projectors import Projectors
from ..actors.providers.adapter import KeepsConversations, KeptConversations, Provider
from ..contracts.admission import admit_own
from ..contracts.commands import Command, ProjectCreate
from ..contracts.conversations import ConversationHistory, ImportedConversation, ListedConversation
from ..contracts.errors import CommandRejected, InvalidRequest, NotFound, ProviderError, SessionLost
from ..contracts.events import NO_METADATA, EventMetadata
from ..contracts.ids import CommandId, ProjectId, ThreadId, runtime_id
from ..contracts.read_model import ProjectView, Snapshot, SnapshotRequest, ThreadView
from ..contracts.values import UNSET, Label
from ..domain.imports import ImportPlan, ImportRefusal, import_thread_id, plan_import
from ..persistence.command_envelope import CommandEnvelope
from ..persistence.lane import WriteLane
from ..persistence.provider_runtime import ProviderRuntimeRow, find_provider_runtime, put_provider_runtime
from ..persistence.single_write import write_alone
from ..persistence.snapshot import read_cut, read_snapshot
from ..persistence.threads import in_thread
from .options import RuntimeOptions

__all__ = ["ConversationImporter"]

_AT_ONCE: Final = 64
"""How many commands are in the mailbox at a time."""


@attrs.frozen(kw_only=True)
class ConversationImporter:
    """Makes threads of conversations."""

    dispatcher: Dispatcher
    lane: WriteLane
    projectors: Projectors
    options: RuntimeOptions

    async def import_all(
        self, provider: Provider, *, directory: Path | None, sessions: Collection[str] | None
    ) -> tuple[ImportedConversation, ...]:
        """As `Runtime.import_conversations`."""
        if not isinstance(provider, KeepsConversations):
            raise InvalidRequest("provider", f"{provider.name!r} does not list the conversations of its agent")
        workspace = Path.cwd() if directory is None else directory
        async with provider.open_conversations(workspace, python=_python(self.options.python)) as kept:
            listed = await kept.list(directory)
            wanted = listed if sessions is None else _named(listed, sessions)
            return tuple([await self._read_and_import(one, kept, provider) for one in wanted])

    async def _read_and_import(
        self, conversation: ListedConversation, kept: KeptConversations, provider: Provider
    ) -> ImportedConversation:
        try:
            history = await kept.read(conversation)
        except SessionLost:
            raise
        except ProviderError as error:
            thread_id = import_thread_id(provider.name, conversation.session_id)
            return ImportedConversation(
                conversation=conversation, thread_id=thread_id, outcome="refused", reason=str(error)
            )
        return await self.import_one(history, provider_name=provider.name, adapter_key=provider.adapter_key)

    async def import_one(
        self, history: ConversationHistory, *, provider_name: str, adapter_key: str
    ) -> ImportedConversation:
        """Add what is new of a conversation.

        Raises:
            StoreError: the store refused it; the same import completes it.
            RuntimeStopped: the runtime is stopping.
            RuntimeFailed: the runtime has failed.
            ProjectionStalled: the thread cannot be read.
        """
        thread_id = import_thread_id(provider_name, history.conversation.session_id)
        known = await self._known(thread_id)
        directory = history.conversation.directory
        project_id = known.project_id if known is not None else await self._project(directory)
        plan = plan_import(
            history,
            provider_name=Label(provider_name),
            adapter_key=Label(adapter_key),
            project_id=project_id,
            known=known,
            now=self.options.mint.now(),
        )
        told = ImportedConversation(
            conversation=history.conversation, thread_id=thread_id, outcome="unchanged", faults=history.faults
        )
        if isinstance(plan, ImportRefusal):
            return attrs.evolve(told, outcome=plan.outcome, reason=plan.reason)
        try:
            await self._carry_out(plan, history)
        except CommandRejected as rejected:  # the thread was deleted, or went on, meanwhile
            return attrs.evolve(told, outcome="refused", reason=rejected.reason)
        if plan.create is not None:
            return attrs.evolve(told, outcome="imported", added=plan.added)
        return attrs.evolve(told, outcome="extended" if plan.added else "unchanged", added=plan.added)

    async def _known(self, thread_id: ThreadId) -> ThreadView | None:
        try:
            return (await self._snapshot(thread_id)).threads[0]
        except NotFound:
            return None

    async def _project(self, directory: str) -> ProjectId:
        """The project that works in this directory, made where there is none."""
        projects = (await self._snapshot(None)).projects
        found = await in_thread(_project_of, projects, directory)
        if found is not None:
            return found
        project_id = ProjectId(self.options.mint.new_id())
        created = ProjectCreate(
            command_id=CommandId(runtime_id("import", "project", project_id)),
            project_id=project_id,
            title=Label(Path(directory).name or directory),
            workspace_root=Label(directory),
            created_at=self.options.mint.now(),
        )
        await (await self._submit(created)).result()
        return project_id

    async def _snapshot(self, thread_id: ThreadId | None) -> Snapshot:
        """One thread in full, or everything without histories."""
        request = SnapshotRequest(
            thread_id=UNSET if thread_id is None else thread_id, detail="summary" if thread_id is None else "full"
        )
        async with self.projectors.cut(read_cut) as (pinned, _):
            return await pinned.run(lambda database: read_snapshot(database, request))

    async def _carry_out(self, plan: ImportPlan, history: ConversationHistory) -> None:
        if plan.create is not None:
            await (await self._submit(plan.create)).result()
        await self._store_cursor(plan, history)
        for start in range(0, len(plan.commands), _AT_ONCE):
            group = plan.commands[start : start + _AT_ONCE]
            submitted = [await self._submit(one.command, one.metadata) for one in group]
            for submission in submitted:
                await submission.result()

    async def _submit(self, command: Command, metadata: EventMetadata = NO_METADATA) -> Submission:
        envelope = CommandEnvelope.of(admit_own(command, "server"), "server", metadata=metadata)
        return await self.dispatcher.submit(envelope)

    async def _store_cursor(self, plan: ImportPlan, history: ConversationHistory) -> None:
        """Write the runtime row that resumes the conversation. One that is there stays: it may have been forgotten."""
        state = plan.state
        row = ProviderRuntimeRow(
            provider_session_id=state.provider_session_id,
            thread_id=state.thread_id,
            provider_name=state.provider_name,
            adapter_key=state.adapter_key,
            provider_thread_id=state.provider_thread_id,
            status="stopped",
            last_seen_at=self.options.mint.now(),
            resume_cursor_json=orjson.dumps(history.cursor).decode(),
            runtime_payload_json=None,
        )

        def write(database: peewee.SqliteDatabase) -> None:
            if find_provider_runtime(database, state.provider_session_id) is None:
                put_provider_runtime(database, row)

        await self.lane.run(lambda database: write_alone(database, write, durability="full"))


def _named(listed: Sequence[ListedConversation], sessions: Collection[str]) -> tuple[ListedConversation, ...]:
    """Raises: InvalidRequest: a name is no conversation's."""
    by_id = {one.session_id: one for one in listed}
    missing = [name for name in sessions if name not in by_id]
    if missing:
        raise InvalidRequest("sessions", f"the agent lists no conversation {', '.join(map(repr, missing))}")
    return tuple(one for one in listed if one.session_id in set(sessions))


def _project_of(projects: Sequence[ProjectView], directory: str) -> ProjectId | None:
    """The living project whose root is this directory, by whatever path. Blocks."""
    place = os.path.realpath(directory)
    living = (one for one in projects if one.deleted_at is None)
    return next((one.id for one in living if os.path.realpath(one.workspace_root) == place), None)


def _python(named: str | os.PathLike[str] | None) -> str | None:
    return None if named is None else os.fspath(named)
