"""Going back in a Claude Code session: the last message that is kept, and the branch that begins after it.

Claude Code resumes a session at a message, as a branch: a new session with the messages before it, ids included, while
the old session stays as it was. The branch is written with its first turn; until then the resume cursor names its
beginning, and a host that was killed in between opens either of them.

Each turn is handed over as a user message whose id is derived from the turn's id. So turns are found in the agent's
transcript, even if some never reached it or were not started from here. The agent's own ids are of another UUID
version. A session that was compacted has a summary in place of its beginning, from which no turn can be removed.

The SDK reads the transcript in a process with the agent's environment, which defines where transcripts are.
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

from ....contracts.errors import ProviderProtocolError, ProviderUnavailable
from ....contracts.ids import ProviderThreadId, TurnId
from ....persistence.threads import in_thread
from ...served_time import served_deadline
from ..process.interpreter import find_python
from ..process.launch import Launch
from .session import ClaudeSession

__all__ = ["Cut", "find_cut", "prompt_id", "read_messages"]

_TURNS: Final = UUID("6d0f3a52-0c1b-5c9e-9f4d-1d6a35a5a7b1")
"""The UUID namespace of the messages that hand turns over."""

_OUR_VERSION: Final = 5

_READ: Final = (
    "import json, sys; from claude_agent_sdk import get_session_messages;"
    " json.dump([message.uuid for message in get_session_messages(sys.argv[1])], sys.stdout)"
)


@attrs.frozen(kw_only=True)
class Cut:
    """`kept` are the messages before the first turn that is to be forgotten, `is_needed` whether there is one.

    `is_certain` is False where kept and forgotten messages cannot be distinguished.
    """

    kept: tuple[str, ...]
    is_needed: bool
    is_certain: bool


def prompt_id(turn: TurnId | None) -> str:
    """The id of the user message that hands a turn over."""
    return str(uuid4() if turn is None else uuid5(_TURNS, turn))


def find_cut(messages: Sequence[str], turns: Collection[TurnId]) -> Cut:
    """Find where these turns begin among a session's messages, given by their ids in order."""
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
        return session.without_branch(), tuple(messages)
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
