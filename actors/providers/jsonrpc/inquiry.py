"""A process of an agent that is asked what it keeps: it serves no thread and takes no turn."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ....contracts.ids import ProviderSessionId, ThreadId
from ....contracts.provider_events import ProviderRuntimeEvent
from ..adapter import SessionRequest
from ..process.agent_process import AgentProcess
from .protocol import JsonRpcProtocol, Notification, Request
from .stdio_connection import StdioConnection

__all__ = ["InquiryConnection", "inquiry_request"]


def inquiry_request(directory: Path, python: str | None) -> SessionRequest:
    """The request that starts such a process in `directory`."""
    return SessionRequest(
        thread_id=ThreadId("-"),
        provider_session_id=ProviderSessionId("-"),
        workspace=directory,
        resume_cursor=None,
        python=python,
    )


class InquiryConnection(StdioConnection):
    """Refuses every request of the agent, and ignores the notifications that `_take_notification` does not take."""

    def __init__(
        self, process: AgentProcess, *, deadline_seconds: float, protocol: JsonRpcProtocol | None = None
    ) -> None:
        super().__init__(process, deadline_seconds=deadline_seconds, protocol=protocol)
        self._ignored = 0

    def _take_notification(self, message: Notification) -> bool:
        """Take a notification; False ignores it."""
        del message
        return False

    @property
    def _ignored_total(self) -> int:
        return self._ignored

    async def _handle_message(self, message: Request | Notification) -> None:
        if isinstance(message, Request):
            await self._refuse(message)
        elif self._take_notification(message):
            self.ledger.note_effect()
        else:
            self._ignored += 1

    def _abandon_turn(self) -> Iterable[ProviderRuntimeEvent]:
        return ()
