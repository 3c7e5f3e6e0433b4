"""Threads and turns as a host works with them: thin readers and senders over `dispatch` and `subscribe`."""

from .items import (
    Approval,
    Ended,
    Notice,
    Plan,
    Resolved,
    Text,
    Thought,
    ToolCall,
    TurnItem,
)
from .thread_handle import ThreadHandle, follow_found
from .thread_opener import ThreadOpener
from .turn_handle import OnApproval, TurnHandle, TurnResult

__all__ = [
    "Approval",
    "Ended",
    "Notice",
    "OnApproval",
    "Plan",
    "Resolved",
    "Text",
    "Thought",
    "ThreadHandle",
    "ThreadOpener",
    "ToolCall",
    "TurnHandle",
    "TurnItem",
    "TurnResult",
    "follow_found",
]
