"""An agent that speaks enough of Claude Code's protocol to be started, and then misbehaves in one mode.

Run as a program with the name of a mode, a share of the mode's full size, and Claude Code's own arguments, which it
ignores. It needs only Python's standard library. `MODES` names all modes.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

MIB: Final = 1024 * 1024

Mode = Callable[["Turn"], None]
MODES: dict[str, Mode] = {}


def mode(perform: Mode) -> Mode:
    MODES["claude-" + perform.__name__.replace("_", "-")] = perform
    return perform


def program(directory: Path, name: str, share: float = 1.0) -> Path:
    """Write a program to `directory` that is this agent in one mode."""
    path = directory / f"{name}.program"
    words = [sys.executable, str(Path(__file__).resolve()), name, str(share)]
    path.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n', encoding="utf-8")
    path.chmod(0o755)
    return path


def send(message: Any) -> None:
    sys.stdout.write(json.dumps(message, separators=(",", ":")) + "\n")
    sys.stdout.flush()


class Turn:
    """The prompt that is being answered."""

    def __init__(self, share: float) -> None:
        self.share = share
        self.is_over = False

    def times(self, full: int) -> range:
        return range(max(1, int(full * self.share)))

    def size(self, full: int) -> int:
        return max(1, int(full * self.share))

    def say(self, *blocks: Any) -> None:
        message = {"id": "m", "type": "message", "role": "assistant", "model": "x", "content": list(blocks)}
        send({"type": "assistant", "message": message, "parent_tool_use_id": None, "session_id": "s"})

    def stream(self, **event: Any) -> None:
        send({"type": "stream_event", "event": event, "parent_tool_use_id": None, "session_id": "s"})

    def result_of(self, call: str, content: Any) -> None:
        block = {"type": "tool_result", "tool_use_id": call, "content": content}
        message = {"role": "user", "content": [block]}
        send({"type": "user", "message": message, "parent_tool_use_id": None, "session_id": "s"})

    def ask(self, number: int, **given: Any) -> None:
        request = {"subtype": "can_use_tool", "tool_name": "Write", "input": given, "tool_use_id": f"t-{number}"}
        send({"type": "control_request", "request_id": f"r-{number}", "request": request})

    def end(self, **fields: Any) -> None:
        self.is_over = True
        ended = {"subtype": "success", "is_error": False, "result": "", "session_id": "s", **fields}
        send({"type": "result", **ended})


@mode
def one_huge_delta(turn: Turn) -> None:
    turn.stream(type="message_start", message={"id": "m"})
    turn.stream(type="content_block_start", index=0, content_block={"type": "text", "text": ""})
    delta = {"type": "text_delta", "text": "y" * turn.size(25 * MIB)}
    turn.stream(type="content_block_delta", index=0, delta=delta)


@mode
def tiny_deltas(turn: Turn) -> None:
    turn.stream(type="message_start", message={"id": "m"})
    turn.stream(type="content_block_start", index=0, content_block={"type": "text", "text": ""})
    for _ in turn.times(50_000):
        turn.stream(type="content_block_delta", index=0, delta={"type": "text_delta", "text": "ab "})


@mode
def one_huge_thought(turn: Turn) -> None:
    turn.say({"type": "thinking", "thinking": "t" * turn.size(25 * MIB)})


@mode
def open_calls_with_large_input(turn: Turn) -> None:
    for number in turn.times(40):
        turn.say({"type": "tool_use", "id": f"t-{number}", "name": "Write", "input": {"content": "x" * 5 * MIB}})


@mode
def huge_results(turn: Turn) -> None:
    for number in turn.times(10):
        turn.say({"type": "tool_use", "id": f"t-{number}", "name": "Read", "input": {}})
        turn.result_of(f"t-{number}", [{"type": "text", "text": "r" * 10 * MIB}])


@mode
def wide_results(turn: Turn) -> None:
    for number in turn.times(10):
        turn.say({"type": "tool_use", "id": f"t-{number}", "name": "Read", "input": {"list": list(range(300_000))}})
        turn.result_of(f"t-{number}", [{"type": "text", "text": "r"}] * 20_000)


@mode
def permissions_with_large_input(turn: Turn) -> None:
    for number in turn.times(20):
        turn.ask(number, content="x" * 3 * MIB)


@mode
def permissions_beyond_the_bound(turn: Turn) -> None:
    for number in turn.times(5):
        turn.ask(number, content="x" * 25 * MIB)


@mode
def result_beyond_the_bound(turn: Turn) -> None:
    turn.end(modelUsage=list(range(turn.size(2 * MIB))))


@mode
def huge_result(turn: Turn) -> None:
    turn.end(result="r" * turn.size(25 * MIB))


def main(name: str, share: float) -> None:
    for line in sys.stdin.buffer:
        message = json.loads(line)
        match message.get("type"):
            case "control_request":
                response = {"subtype": "success", "request_id": message["request_id"], "response": {}}
                send({"type": "control_response", "response": response})
            case "user":
                send({"type": "system", "subtype": "init", "session_id": "s"})
                turn = Turn(share)
                MODES[name](turn)
                if not turn.is_over:
                    turn.end()


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
