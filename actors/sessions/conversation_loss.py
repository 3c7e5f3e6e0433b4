"""When a thread continues without its agent's conversation: the policy, and the notice in its history."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from ...contracts.provider_events import SessionNotice

ResumePolicy: TypeAlias = Literal["refuse", "start-afresh"]
"""What happens if an agent cannot or does not resume its conversation: the turn fails, or a new one starts."""

WAY_TO_MOVE: Final = (
    "to let another provider serve the thread, without its conversation, send thread.session.stop"
    " with forgetConversation: true"
)


def conversation_lost(why: str) -> SessionNotice:
    """The notice that the agent does not remember the turns before."""
    return SessionNotice(
        kind="session.notice", summary=f"The agent's conversation is lost; {why}", detail={"contextLost": True}
    )
