"""A small agent that behaves as real agents of the Agent Client Protocol do: `python seen_agent.py STATE`.

A prompt is Python, run with `say`, `update`, `ask`, `send`, `reply`, `state` and `option` in scope; text that follows
`reply` is sent after the turn. Files in the directory STATE determine how it starts and opens sessions: each named
`initialize`, `new`, `load` or `set-mode` holds Python that replaces the usual answer, with `request` in scope.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time  # noqa: F401 - for scripts
from pathlib import Path
from typing import Any

STATE = Path(sys.argv[1])
SESSION = "seen-1"
MODES = [
    {
        "id": "mode",
        "category": "mode",
        "type": "select",
        "name": "Mode",
        "currentValue": "default",
        "options": [{"value": one, "name": one.title()} for one in ("default", "plan")],
    }
]
_writing = threading.Lock()
_answers: dict[Any, queue.SimpleQueue[Any]] = {}


def send(message: dict[str, Any]) -> None:
    raw(json.dumps({"jsonrpc": "2.0", **message}) + "\n")


def raw(text: str) -> None:
    with _writing:
        sys.stdout.buffer.write(text.encode())
        sys.stdout.buffer.flush()


def update(kind: str, /, **fields: Any) -> None:
    send({"method": "session/update", "params": {"sessionId": SESSION, "update": {"sessionUpdate": kind, **fields}}})


def say(text: str, **fields: Any) -> None:
    update("agent_message_chunk", content={"type": "text", "text": text}, **fields)


def option(kind: str, identity: str, name: str) -> dict[str, str]:
    return {"kind": kind, "optionId": identity, "name": name}


def ask(*options: dict[str, str]) -> str:
    """Ask for permission; return the id of the chosen option, or `cancelled`."""
    identity = f"ask-{len(_answers)}"
    _answers[identity] = queue.SimpleQueue()
    call = {"toolCallId": identity, "title": "do it", "kind": "edit"}
    send(
        {
            "id": identity,
            "method": "session/request_permission",
            "params": {"sessionId": SESSION, "toolCall": call, "options": list(options)},
        }
    )
    outcome = _answers[identity].get()["outcome"]
    return str(outcome.get("optionId", outcome["outcome"]))


def _perform(request: Any, name: str, script: str, usual: dict[str, Any]) -> None:
    replied: list[dict[str, Any]] = []

    def reply(answer: dict[str, Any] | None = None) -> None:
        replied.append(answer or {"result": usual})
        send({"id": request, **replied[-1]})

    names = {**globals(), "request": request, "reply": reply, "state": STATE}
    exec(compile(script, name, "exec"), names)
    if not replied:
        reply()


def _asked(request: Any, name: str, usual: dict[str, Any]) -> None:
    script = STATE / name
    _perform(request, name, script.read_text() if script.exists() else "", usual)


def main() -> None:
    for line in sys.stdin:
        message = json.loads(line)
        request, params = message.get("id"), message.get("params") or {}
        match message.get("method"):
            case None:
                _answers[request].put(message["result"])
            case "initialize":
                login = [{"id": "login", "name": "Log in", "description": "run `seen login`"}]
                features = {"protocolVersion": 1, "agentCapabilities": {"loadSession": True}, "authMethods": login}
                _asked(request, "initialize", features)
            case "session/new":
                _asked(request, "new", {"sessionId": SESSION})
            case "session/load" | "session/resume":
                _asked(request, "load", {})
            case "session/set_config_option":
                (STATE / "modes-set").open("a").write(params["value"] + "\n")
                _asked(request, "set-mode", {"configOptions": MODES})
            case "session/prompt":
                script = params["prompt"][0]["text"]
                usual = {"stopReason": "end_turn"}
                threading.Thread(target=_perform, args=(request, "prompt", script, usual), daemon=True).start()
            case "session/cancel":
                (STATE / "cancelled").touch()
            case _ if request is not None:
                send({"id": request, "error": {"code": -32601, "message": "Method not found"}})
    os._exit(0)


if __name__ == "__main__":
    main()
