"""Conversations that an agent keeps, of every origin: how they are listed, and what is in them.

An adapter makes these values of its agent's own records. A conversation that grows keeps what it had in the same order.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import attrs

from .ids import ProviderThreadId, ThreadId
from .provider_events import PlanUpdated, ReasoningCompleted, SessionNotice, ToolCompleted
from .values import Instant, JsonObject

PastEvent: TypeAlias = ToolCompleted | ReasoningCompleted | PlanUpdated | SessionNotice
ImportOutcome: TypeAlias = Literal["imported", "extended", "unchanged", "continued", "refused"]


@attrs.frozen(kw_only=True)
class ListedConversation:
    """A conversation as its agent lists it. `session_id` is the agent's own id of it, `directory` where it works.

    `title` may be empty.
    """

    session_id: ProviderThreadId
    directory: str
    title: str = ""
    created_at: Instant | None = None
    updated_at: Instant | None = None


@attrs.frozen(kw_only=True)
class PastMessage:
    """A whole message. `at` is None where the agent does not tell."""

    role: Literal["user", "assistant"]
    text: str
    at: Instant | None = None


@attrs.frozen(kw_only=True)
class PastActivity:
    """Something beside the messages: a tool call that is over, a thought, a plan, a notice."""

    event: PastEvent
    at: Instant | None = None


PastItem: TypeAlias = PastMessage | PastActivity


@attrs.frozen(kw_only=True)
class ConversationHistory:
    """A conversation from its beginning. `cursor` resumes it (`SessionRequest.resume_cursor`).

    `faults` are sentences about records that could not be read and are left out.
    """

    conversation: ListedConversation
    items: tuple[PastItem, ...]
    cursor: JsonObject
    faults: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class ImportedConversation:
    """The outcome of the import of one conversation. `added` counts what was added to the thread.

    `imported`: the thread is new. `extended`: what is new was added. `unchanged`: there was nothing new. `continued`:
    the thread has turns of its own. `refused`: it reads differently than before, or the thread was deleted. Nothing is
    added in the last three cases; `reason` says why in the last two.
    """

    conversation: ListedConversation
    thread_id: ThreadId
    outcome: ImportOutcome
    added: int = 0
    reason: str | None = None
    faults: tuple[str, ...] = ()
