"""Going back in a Claude Code session: which message is the last to be kept, and the branch that begins after it.

Claude Code resumes a session at a message, as a branch: a new session with what came before, the messages' ids
included, while the old one stays as it was. The branch is written with its first turn; until then the resume cursor
says where it begins, and a host that died in between opens the one or the other.

Each turn is handed over as a user message whose id is made from our turn's id. So turns are found in what the agent
keeps, whatever never reached it or is not ours. The ids that the agent makes are of another version, by which a
message of ours is known. A session that was compacted keeps a summary in place of its beginning: nobody can take a
turn out of that.

The transcript is read by the SDK, in a process of the agent's environment, which says where transcripts are.
Source: `ClaudeAgentOptions.resume_session_at` and `get_session_messages` of claude-agent-sdk
"""

from __future__ import annotations

import subprocess
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4, uuid5

import anyio
import attrs
import orjson

from ....contracts.errors import ProviderProtocolError, ProviderUnavailable, ResumeRefused
from ....contracts.ids import ProviderThreadId, TurnId
from ....contracts.values import JsonObject
from ....persistence.threads import in_thread
from ...served_time import served_deadline
from ..loose_json import object_of
from ..process.interpreter import find_python
from ..process.launch import Launch

__all__ = ["ClaudeSession", "Cut", "cut", "prompt_id", "read_messages"]

_TURNS: Final = UUID("6d0f3a52-0c1b-5c9e-9f4d-1d6a35a5a7b1")
"""The name space of our turns' messages."""

_OUR_VERSION: Final = 5

_READ: Final = (
    "import json, sys; from claude_agent_sdk import get_session_messages;"
    " json.dump([message.uuid for message in get_session_messages(sys.argv[1])], sys.stdout)"
)


@attrs.frozen(kw_only=True)
class ClaudeSession:
    """A conversation as a resume cursor names it: a session, and the message of another from which it is a branch."""

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
        told: JsonObject = {"sessionId": self.session_id}
        if self.branch_of is None:
            return told
        return {**told, "branch": {"of": self.branch_of, "at": self.branch_at}}

    def written(self) -> ClaudeSession:
        """The session itself, once the agent keeps it."""
        return ClaudeSession(session_id=self.session_id)

    def followed(self, session_id: str) -> ClaudeSession | None:
        """The session in which the agent says that the conversation goes on; None where that is this one, or none."""
        try:
            named = ProviderThreadId(str(UUID(session_id)))
        except ValueError:
            return None
        return None if named == self.session_id else ClaudeSession(session_id=named)

    def begun_anew(self) -> ClaudeSession:
        """The same branch under another id: an agent that was killed in its first turn has taken the one it had."""
        return attrs.evolve(self, session_id=ClaudeSession.new().session_id)

    def branched_after(self, message: str) -> ClaudeSession:
        """A new session that begins after a message of this one, which the agent keeps."""
        return attrs.evolve(ClaudeSession.new(), branch_of=self.session_id, branch_at=message)


@attrs.frozen(kw_only=True)
class Cut:
    """`kept` are the messages before the first turn that is to be forgotten, `is_needed` whether there is one.

    `is_certain` is False where what came before cannot be told from what is to be forgotten.
    """

    kept: tuple[str, ...]
    is_needed: bool
    is_certain: bool


def prompt_id(turn: TurnId | None) -> str:
    """The id of the user message that hands a turn over."""
    return str(uuid4() if turn is None else uuid5(_TURNS, turn))


def cut(messages: Sequence[str], turns: Collection[TurnId]) -> Cut:
    """Where these turns begin among a session's messages, given by their ids in order."""
    forgotten = {prompt_id(turn) for turn in turns}
    first = next((place for place, message in enumerate(messages) if message in forgotten), None)
    prompts = [message for message in messages if _is_ours(message)]
    is_whole = list(messages[:1]) == prompts[:1]
    return Cut(
        kept=tuple(messages[:first]),
        is_needed=first is not None,
        is_certain=is_whole or (bool(prompts) and prompts[0] not in forgotten),
    )


async def read_messages(
    session: ClaudeSession, *, workspace: Path, launch: Launch, deadline_seconds: float
) -> tuple[ClaudeSession, tuple[str, ...]]:
    """The ids of a conversation's messages in order, and the session that keeps them.

    Raises:
        ProviderUnavailable: they could not be read within the deadline, or no interpreter has the SDK.
        ProviderProtocolError: the message at which a branch begins is gone.
    """

    python = await in_thread(partial(find_python, launch.python, module="claude_agent_sdk"))

    async def read(session_id: ProviderThreadId) -> list[str]:
        command = [python, "-P", "-c", _READ, session_id]
        try:
            with served_deadline(deadline_seconds):
                done = await anyio.run_process(
                    command, stdin=subprocess.DEVNULL, cwd=workspace, env=launch.environment()
                )
        except (OSError, TimeoutError, subprocess.CalledProcessError) as error:
            raise ProviderUnavailable(f"the transcript of {session_id!r} cannot be read: {error}") from error
        ids: list[str] = orjson.loads(done.stdout)
        return ids

    messages = await read(session.session_id)
    if messages or session.branch_of is None:
        return session.written(), tuple(messages)
    of = ClaudeSession(session_id=session.branch_of)
    messages = await read(of.session_id)
    if session.branch_at not in messages:
        raise ProviderProtocolError(f"the session {of.session_id!r} does not have message {session.branch_at!r}")
    return of, tuple(messages[: messages.index(session.branch_at) + 1])


def _is_ours(message: str) -> bool:
    try:
        return UUID(message).version == _OUR_VERSION
    except ValueError:
        return False
