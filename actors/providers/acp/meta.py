"""What agents put into `_meta`, beside the fields of the Agent Client Protocol: who speaks, and a command's output.

The protocol leaves `_meta` to agents. What several of them agree on is read here; everything else there is ignored.
"""

from __future__ import annotations

from typing import Any, Final

import attrs

from ....contracts.values import JsonObject
from ..loose_json import object_of, text_of

__all__ = ["CommandOutput", "command_output", "parent_of", "speaker_of"]

_MAX_NAME: Final = 256
_PARENTS: Final = frozenset({"parenttooluseid", "parenttoolcallid", "parentitemid", "parentid"})
_SPEAKERS: Final = _PARENTS | {"agentid", "agentname", "agent", "subagent", "subagentid", "subagentname", "speaker"}


@attrs.frozen(kw_only=True)
class CommandOutput:
    """What a command wrote since the last update, its whole output where the agent gives that, and how it exited."""

    added: str = ""
    whole: str = ""
    exit_code: int | None = None
    signal: str = ""


def parent_of(update: JsonObject) -> str:
    """The id of the tool call in whose course a sub-agent speaks or works; empty for the main agent."""
    return next(iter(_named(update.get("_meta"), _PARENTS)), "")


def speaker_of(update: JsonObject) -> tuple[str, ...]:
    """Who speaks, as a value to compare; empty for the main agent of an agent that does not say."""
    return tuple(_named(update.get("_meta"), _SPEAKERS))


def command_output(update: JsonObject) -> CommandOutput:
    meta = object_of(update.get("_meta"))
    exited = object_of(meta.get("terminal_exit"))
    code = exited.get("exit_code")
    return CommandOutput(
        added=text_of(object_of(meta.get("terminal_output")).get("data")),
        whole=_response(object_of(meta.get("claudeCode")).get("toolResponse")),
        exit_code=code if isinstance(code, int) and not isinstance(code, bool) else None,
        signal=text_of(exited.get("signal"))[:_MAX_NAME],
    )


def _named(meta: Any, names: frozenset[str]) -> list[str]:
    """The texts that stand under one of these names, directly or in an agent's own part of `_meta`."""
    found: list[str] = []
    for key, value in object_of(meta).items():
        inner = value if isinstance(value, dict) else {key: value}
        found += [
            text[:_MAX_NAME]
            for name, text in inner.items()
            if isinstance(text, str) and text and name.replace("_", "").lower() in names
        ]
    return found


def _response(response: Any) -> str:
    """The text of a tool's result: itself, its text blocks, or what a command wrote."""
    if isinstance(response, list):
        return "".join(text_of(object_of(block).get("text")) for block in response)
    if isinstance(response, dict):
        return "".join(text_of(response.get(key)) for key in ("stdout", "stderr"))
    return text_of(response)
