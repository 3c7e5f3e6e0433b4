"""The session of Claude Code that a conversation is in, and its resume cursor."""

from __future__ import annotations

from uuid import UUID, uuid4

import attrs

from ....contracts.errors import ResumeRefused
from ....contracts.ids import ProviderThreadId
from ....contracts.values import JsonObject
from ..loose_json import object_of

__all__ = ["ClaudeSession"]


@attrs.frozen(kw_only=True)
class ClaudeSession:
    """A session, and, for a branch that is not written yet, the session and message that it begins after."""

    session_id: ProviderThreadId
    branch_of: ProviderThreadId | None = None
    branch_at: str | None = None

    @classmethod
    def new(cls) -> ClaudeSession:
        return cls(session_id=ProviderThreadId(str(uuid4())))

    @classmethod
    def of_cursor(cls, cursor: JsonObject) -> ClaudeSession:
        """Raises: ResumeRefused: the cursor names no session."""
        try:
            session = ProviderThreadId(str(UUID(cursor.get("sessionId"))))
            if "branch" not in cursor:
                return cls(session_id=session)
            branch = object_of(cursor["branch"])
            of, at = str(UUID(branch.get("of"))), str(UUID(branch.get("at")))
        except (ValueError, TypeError, AttributeError):
            raise ResumeRefused(f"the resume cursor names no session: {cursor!r}") from None
        return cls(session_id=session, branch_of=ProviderThreadId(of), branch_at=at)

    def cursor(self) -> JsonObject:
        cursor: JsonObject = {"sessionId": self.session_id}
        if self.branch_of is None:
            return cursor
        return {**cursor, "branch": {"of": self.branch_of, "at": self.branch_at}}

    def without_branch(self) -> ClaudeSession:
        """The session itself, after the agent has written it."""
        return ClaudeSession(session_id=self.session_id)

    def successor(self, session_id: str) -> ClaudeSession | None:
        """The session with this id, in which the conversation continues; None for this session, or for no proper id."""
        try:
            named = ProviderThreadId(str(UUID(session_id)))
        except ValueError:
            return None
        return None if named == self.session_id else ClaudeSession(session_id=named)

    def with_new_id(self) -> ClaudeSession:
        """The same branch with another id, since an agent that was killed in its first turn has used this one."""
        return attrs.evolve(self, session_id=ClaudeSession.new().session_id)

    def branch_after(self, message: str) -> ClaudeSession:
        """A new session that begins after a message of this one."""
        return attrs.evolve(ClaudeSession.new(), branch_of=self.session_id, branch_at=message)
