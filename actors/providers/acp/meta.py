"""Fields of `_meta` that several agents use: which agent a message comes from, and a command's output.

The Agent Client Protocol leaves the content of `_meta` to the agents. All other fields of it are ignored.
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
    """A command's output since the last update (`added`), its whole output where the agent gives it, and its exit."""

    added: str = ""
    whole: str = ""
    exit_code: int | None = None
    signal: str = ""


def parent_of(update: JsonObject) -> str:
    """The id of the tool call that runs the sub-agent which an update comes from; empty for the main agent."""
    return next(iter(_texts_under(update.get("_meta"), _PARENTS)), "")


def speaker_of(update: JsonObject) -> tuple[str, ...]:
    """A value that differs between the main agent and its sub-agents; empty where an update does not name its agent."""
    return tuple(_texts_under(update.get("_meta"), _SPEAKERS))


def command_output(update: JsonObject) -> CommandOutput:
    meta = object_of(update.get("_meta"))
    exited = object_of(meta.get("terminal_exit"))
    code = exited.get("exit_code")
    return CommandOutput(
        added=text_of(object_of(meta.get("terminal_output")).get("data")),
        whole=_response_text(object_of(meta.get("claudeCode")).get("toolResponse")),
        exit_code=code if isinstance(code, int) and not isinstance(code, bool) else None,
        signal=text_of(exited.get("signal"))[:_MAX_NAME],
    )


def _texts_under(meta: Any, names: frozenset[str]) -> list[str]:
    """The texts of fields with these names, directly in `_meta` or one level below."""
    found: list[str] = []
    for key, value in object_of(meta).items():
        inner = value if isinstance(value, dict) else {key: value}
        found += [
            text[:_MAX_NAME]
            for name, text in inner.items()
            if isinstance(text, str) and text and name.replace("_", "").lower() in names
        ]
    return found


def _response_text(response: Any) -> str:
    """The text of a tool's result, which is a text, a list of blocks, or the output of a command."""
    if isinstance(response, list):
        return "".join(text_of(object_of(block).get("text")) for block in response)
    if isinstance(response, dict):
        return "".join(text_of(response.get(key)) for key in ("stdout", "stderr"))
    return text_of(response)
