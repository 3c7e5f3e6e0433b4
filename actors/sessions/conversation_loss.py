"""When a thread goes on without its agent's conversation: what allows it, and how its history says so."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from ...contracts.provider_events import SessionNotice

ResumePolicy: TypeAlias = Literal["refuse", "start-afresh"]
"""What a thread does whose agent cannot or does not resume its conversation: fail the turn, or start a new one."""

WAY_TO_MOVE: Final = (
    "to let another provider serve the thread, without its conversation, send thread.session.stop"
    " with forgetConversation: true"
)


def conversation_lost(why: str) -> SessionNotice:
    """The notice that the agent does not remember the turns before."""
    return SessionNotice(
        kind="session.notice", summary=f"The agent's conversation is lost; {why}", detail={"contextLost": True}
    )
