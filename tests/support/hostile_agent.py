"""An agent that speaks enough of the Agent Client Protocol to be started, and then misbehaves in one mode.

Run as a program with the name of a mode and, optionally, a share of the mode's full size (1 by default). It needs only
Python's standard library. `MODES` names all modes. A mode that does not end its turn itself ends in `end_turn`.

One long module: it is one program, a function per mode.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any, Final

MIB: Final = 1024 * 1024
SESSION: Final = "hostile"

Mode = Callable[["Turn"], None]
MODES: dict[str, Mode] = {}


def mode(perform: Mode) -> Mode:
    MODES[perform.__name__.strip("_").replace("_", "-")] = perform
    return perform


def write(data: bytes, descriptor: int = 1) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def send(message: Any) -> None:
    write(json.dumps(message).encode() + b"\n")


class Turn:
    """The prompt that is being answered."""

    def __init__(self, identity: Any, share: float) -> None:
        self.identity = identity
        self.share = share
        self.is_over = False

    def times(self, full: int) -> range:
        return range(max(1, int(full * self.share)))

    def size(self, full: int) -> int:
        return max(1, int(full * self.share))

    def update(self, update_kind: str, **fields: Any) -> None:
        update = {"sessionUpdate": update_kind, **fields}
        send({"method": "session/update", "params": {"sessionId": SESSION, "update": update}, "jsonrpc": "2.0"})

    def say(self, text: str, **fields: Any) -> None:
        self.update("agent_message_chunk", content={"type": "text", "text": text}, **fields)

    def think(self, text: str) -> None:
        self.update("agent_thought_chunk", content={"type": "text", "text": text})

    def tool(self, identity: Any, update: str = "tool_call", **fields: Any) -> None:
        self.update(update, toolCallId=identity, **{"title": "work", "kind": "execute", "status": "pending", **fields})

    def ask(self, number: int, **fields: Any) -> None:
        options = [{"optionId": "once", "name": "Once", "kind": "allow_once"}]
        call = {"toolCallId": f"asked-{number}", "title": "May I?"}
        params = {"sessionId": SESSION, "toolCall": call, "options": options, **fields}
        send({"jsonrpc": "2.0", "id": f"ask-{number}", "method": "session/request_permission", "params": params})

    def call_with_input(self, raw: bytes) -> None:
        """A tool call whose input is written unchanged, JSON or not."""
        head = b'{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"%s","update":' % SESSION.encode()
        call = b'{"sessionUpdate":"tool_call","toolCallId":"raw","title":"raw","status":"completed","rawInput":'
        write(head + call + raw + b"}}}\n")

    def end(self, reason: Any = "end_turn") -> None:
        self.is_over = True
        send({"jsonrpc": "2.0", "id": self.identity, "result": {"stopReason": reason}})

    def fail(self, **error: Any) -> None:
        self.is_over = True
        send({"jsonrpc": "2.0", "id": self.identity, "error": error})


@mode
def tiny_deltas(turn: Turn) -> None:
    chunk = {"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": "ab "}}
    line = json.dumps({"jsonrpc": "2.0", "method": "session/update", "params": {"sessionId": SESSION, "update": chunk}})
    block = (line.encode() + b"\n") * 1000
    for _ in turn.times(100):
        write(block)


@mode
def alternating_messages(turn: Turn) -> None:
    for number in turn.times(1000):
        turn.say("x", messageId=f"m-{number % 2}-{number // 2}")


@mode
def growing_message(turn: Turn) -> None:
    for _ in turn.times(320):
        turn.say("z" * 64 * 1024)


@mode
def one_huge_delta(turn: Turn) -> None:
    turn.say("y" * turn.size(25 * MIB))


@mode
def thoughts_between_words(turn: Turn) -> None:
    for _ in turn.times(1000):
        turn.think("hm ")
        turn.say("x")


@mode
def one_huge_thought(turn: Turn) -> None:
    for _ in turn.times(200):
        turn.think("t" * 100_000)


@mode
def halves_of_characters(turn: Turn) -> None:
    for _ in turn.times(2000):
        turn.say("\ud83d")
        turn.say("\ude00")
        turn.say("\udc00\ud800")


@mode
def open_calls_with_large_input(turn: Turn) -> None:
    for number in turn.times(40):
        turn.tool(f"t-{number}", rawInput={"content": "x" * 5 * MIB})


@mode
def many_open_calls(turn: Turn) -> None:
    for number in turn.times(1000):
        turn.tool(f"t-{number}", rawInput={"content": "x" * 40_000})


@mode
def updates_of_one_call(turn: Turn) -> None:
    turn.tool("t")
    for number in turn.times(5000):
        turn.tool("t", "tool_call_update", status="in_progress", rawOutput={"text": "o" * number})


@mode
def updates_of_many_calls(turn: Turn) -> None:
    for number in turn.times(200):
        turn.tool(f"t-{number}")
    for step in range(5):
        for number in turn.times(200):
            turn.tool(f"t-{number}", "tool_call_update", status="in_progress", rawOutput={"text": str(step) * 50_000})


@mode
def updates_of_calls_that_never_began(turn: Turn) -> None:
    for number in turn.times(1000):
        turn.tool(f"unknown-{number}", "tool_call_update", status="in_progress", rawOutput={"text": "x" * 10_000})


@mode
def huge_titles_and_ids(turn: Turn) -> None:
    for number in turn.times(10):
        turn.tool(f"{number}" * 500_000, title="t" * MIB, kind="k" * MIB, status="completed")


@mode
def huge_results(turn: Turn) -> None:
    for number in turn.times(10):
        content = [{"type": "content", "content": {"type": "text", "text": "r" * 10 * MIB}}]
        turn.tool(f"t-{number}", status="completed", content=content)


@mode
def wide_results(turn: Turn) -> None:
    for number in turn.times(10):
        turn.tool(f"t-{number}", status="completed", rawOutput={"list": list(range(300_000))})


@mode
def nested_results(turn: Turn) -> None:
    for depth in (100, 900, 50_000):
        turn.call_with_input(b'{"a":' * depth + b"1" + b"}" * depth)


@mode
def numbers_that_json_does_not_have(turn: Turn) -> None:
    for number in (b"NaN", b"-Infinity", b"1e999", b"18446744073709551616", b"9" * 100_000):
        turn.call_with_input(b'{"v":%s}' % number)


@mode
def one_id_for_all_calls(turn: Turn) -> None:
    for number in turn.times(1000):
        turn.tool("same", title=f"call {number}", status=("pending", "completed")[number % 2])


@mode
def fields_of_wrong_types(turn: Turn) -> None:
    wrong: tuple[Any, ...] = (None, 5, [], {"a": [1]}, True, "")
    for value in wrong:
        turn.tool(value, title=value, kind=value, content=value, locations=value, status=value)
        turn.update("plan", entries=value)
        turn.update("agent_message_chunk", content=value, messageId=value)
        turn.update("usage_update", used=value, size=value)
        turn.update("available_commands_update", availableCommands=value)
        turn.update("config_option_update", configOptions=value)
        turn.update(str(value))


@mode
def plans(turn: Turn) -> None:
    for number in turn.times(500):
        turn.update("plan", entries=[{"content": f"step {number} " + "p" * 1000, "status": "pending"}] * 50)


@mode
def usage_and_commands(turn: Turn) -> None:
    for number in turn.times(2000):
        turn.update("usage_update", used=number, size=number)
        turn.update("available_commands_update", availableCommands=[{"name": "c" * 1000, "description": "d"}] * 10)


@mode
def permissions(turn: Turn) -> None:
    for number in turn.times(300):
        turn.ask(number)


@mode
def permissions_with_large_options(turn: Turn) -> None:
    for number in turn.times(20):
        options = [{"optionId": f"o-{one}", "name": "n" * 20_000, "kind": "allow_once"} for one in range(100)]
        turn.ask(number, options=options, toolCall={"toolCallId": "c", "title": "t" * MIB, "rawInput": "x" * MIB})


@mode
def permissions_after_the_end(turn: Turn) -> None:
    turn.end()
    for number in turn.times(300):
        turn.ask(number)


@mode
def words_after_the_end(turn: Turn) -> None:
    turn.end()
    for number in turn.times(500):
        turn.say("late ", messageId=f"late-{number}")
        turn.tool(f"late-{number}", status="completed")


@mode
def replies_twice(turn: Turn) -> None:
    turn.end()
    turn.end("cancelled")
    send({"jsonrpc": "2.0", "id": turn.identity, "error": {"code": -1, "message": "no"}})


@mode
def huge_stop_reason(turn: Turn) -> None:
    turn.end("because " * turn.size(MIB))


@mode
def huge_error(turn: Turn) -> None:
    turn.fail(code=-32603, message="m" * turn.size(8 * MIB), data={"detail": "d" * turn.size(8 * MIB)})


@mode
def garbage(turn: Turn) -> None:
    for number in turn.times(90):
        write(b"garbage %d " % number + b"\xff\x00" * 1000 + b"\n")
    turn.say("after it")


@mode
def a_line_without_an_end(turn: Turn) -> None:
    for _ in turn.times(100):
        write(b"x" * MIB)
    write(b"\n")


@mode
def blank_lines(turn: Turn) -> None:
    for _ in turn.times(50):
        write(b"\r\n" * 20_000)


@mode
def stderr(turn: Turn) -> None:
    for _ in turn.times(50):
        write(b"e" * MIB, 2)


@mode
def dies_with_much_to_say(_turn: Turn) -> None:
    write(b"why " * MIB, 2)
    os.kill(os.getpid(), signal.SIGKILL)


@mode
def sessions_of_others(turn: Turn) -> None:
    for number in turn.times(1000):
        chunk = {"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": "foreign"}}
        params = {"sessionId": f"other-{number}", "update": chunk}
        send({"jsonrpc": "2.0", "method": "session/update", "params": params})


@mode
def requests_of_all_kinds(turn: Turn) -> None:
    for number in turn.times(500):
        send({"jsonrpc": "2.0", "id": f"r-{number}", "method": "fs/read_text_file", "params": {"path": "/etc/passwd"}})
        send({"jsonrpc": "2.0", "id": number + 10**6, "result": {}})


@mode
def busy(_turn: Turn) -> None:
    """Send nothing and keep a core busy: the cost of hostile agents as mere processes."""
    until = time.monotonic() + 3
    while time.monotonic() < until:
        pass


def main(name: str, share: float) -> None:
    for line in sys.stdin.buffer:
        message = json.loads(line)
        identity = message.get("id")
        match message.get("method"):
            case "initialize":
                capabilities = {"loadSession": True}
                result: Any = {"protocolVersion": 1, "agentCapabilities": capabilities, "authMethods": []}
                send({"jsonrpc": "2.0", "id": identity, "result": result})
            case "session/new" | "session/load":
                send({"jsonrpc": "2.0", "id": identity, "result": {"sessionId": SESSION}})
            case "session/prompt":
                turn = Turn(identity, share)
                MODES[name](turn)
                if not turn.is_over:
                    turn.end()


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 1.0)
