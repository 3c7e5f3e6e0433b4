"""A connection to an agent process, for any protocol: its reader, its events, its end.

One task (`run`) reads the agent's messages and handles them in order. `SessionExited` is the last event, whatever
happened.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, TypeVar

import anyio
from anyio.abc import ObjectReceiveStream

from ....contracts.errors import ProviderError
from ....contracts.provider_events import ProviderRuntimeEvent, RuntimeErrorReported, SessionExited
from ..adapter import ProcessIdentity
from ..event_queue import EventQueue
from ..frame_ledger import FrameLedger
from ..json_lines import Malformed
from ..redaction import without_secrets
from .agent_process import AgentProcess, agent_process
from .launch import Launch

__all__ = ["ProcessConnection", "open_connection"]

_EVENT_CAPACITY: Final = 64
_MALFORMED_REPORTS: Final = 5

C = TypeVar("C", bound="ProcessConnection")


@asynccontextmanager
async def open_connection(
    command: Sequence[str],
    *,
    workspace: Path,
    launch: Launch,
    make_connection: Callable[[AgentProcess], C],
) -> AsyncGenerator[C]:
    """As `Provider.connect`. Enter and leave in one task; an error of the body leaves unwrapped.

    `launch` is that of the session. No error shows one of its secrets.
    """
    failure: Exception | None = None
    async with (
        agent_process(command, workspace=workspace, launch=launch) as process,
        anyio.create_task_group() as tasks,
    ):
        connection = make_connection(process)
        tasks.start_soon(connection.run)
        try:
            await connection.open(launch.start_deadline_seconds)
            yield connection
        except Exception as error:
            failure = error
            if isinstance(error, ProviderError):
                error.args = (without_secrets(str(error), launch.secrets),)
        finally:
            await connection.close()
            tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure


class ProcessConnection(ABC):
    """One agent process. Its state lives on one event loop and is changed between awaits only."""

    def __init__(self, process: AgentProcess, *, deadline_seconds: float) -> None:
        self._process = process
        self._deadline_seconds = deadline_seconds
        self._events = EventQueue(_EVENT_CAPACITY)
        self._malformed_reports = 0
        self.ledger = FrameLedger()
        self._end_requested = False
        self._over = False

    @property
    def process(self) -> ProcessIdentity:
        return self._process.identity

    @property
    def heard_at(self) -> float:
        """As `SignsOfLife.heard_at`."""
        return self._process.stdout.heard_at

    @property
    def events(self) -> ObjectReceiveStream[ProviderRuntimeEvent]:
        return self._events

    @abstractmethod
    async def open(self, start_deadline_seconds: float) -> None:
        """Agree on the protocol and open the conversation. Raises as `Provider.connect` does."""

    @abstractmethod
    async def _read(self) -> None:
        """Read the agent to its end, or until it violates its protocol, and report the last events of its turn.

        Sets `_over`. A violation of the protocol is reported as a fatal error, not raised.
        """

    async def run(self) -> None:
        """Read the agent to its end, end its remaining processes, and report its exit last."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._process.watch)
                await self._read()
                await self._process.end()
        finally:
            self._events.end(
                SessionExited(
                    asked=self._end_requested,
                    exit_code=self._process.exit_code,
                    stderr_tail=self._process.stderr_tail,
                )
            )

    async def close(self) -> None:
        self._note_end_requested()
        await self._process.end()

    def _note_end_requested(self) -> None:
        """Note that the agent's end was requested, if it is still running."""
        if not self._over and self._process.exit_code is None:
            self._end_requested = True

    async def _report_malformed(self, line: Malformed) -> None:
        self.ledger.received += 1
        self.ledger.malformed += 1
        self._malformed_reports += 1
        if self._malformed_reports <= _MALFORMED_REPORTS:
            await self._events.put(
                RuntimeErrorReported(
                    message=f"{self._process.program} sent a line that is not a message: {line.fault}",
                    detail={"excerpt": line.excerpt},
                )
            )
