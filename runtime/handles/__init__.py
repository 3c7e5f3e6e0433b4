"""Threads and turns as a host works with them: thin readers and senders over `dispatch` and `subscribe`."""

from .items import (
    Approval,
    Ended,
    Notice,
    Plan,
    QuestionForm,
    Resolved,
    Text,
    Thought,
    ToolCall,
    TurnItem,
    Usage,
)
from .thread_handle import ThreadHandle, follow_found
from .thread_opener import ThreadOpener
from .turn_handle import OnApproval, OnQuestion, TurnHandle, TurnResult

__all__ = [
    "Approval",
    "Ended",
    "Notice",
    "OnApproval",
    "OnQuestion",
    "Plan",
    "QuestionForm",
    "Resolved",
    "Text",
    "Thought",
    "ThreadHandle",
    "ThreadOpener",
    "ToolCall",
    "TurnHandle",
    "TurnItem",
    "TurnResult",
    "Usage",
    "follow_found",
]
