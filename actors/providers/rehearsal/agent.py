"""The rehearsal agent's side of the protocol: who may speak when.

A thread of its own reads standard input and answers everything but prompts at once; prompts are performed one at a
time in the main thread, where signals can be set. The end of input ends the process, whatever is being performed,
unless a script asked to ignore it.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from typing import Any, BinaryIO

from .script import Cancelled, Failed, Performance
from .sessions import SessionFiles, SessionHistory

__all__ = ["RehearsalAgent"]

_NOT_FOUND = -32601
_INVALID_REQUEST = -32600
_INTERNAL = -32603
_UNKNOWN_SESSION = -32002


class RehearsalAgent:
    def __init__(self, files: SessionFiles, *, resume: str, steering: bool, incoming: BinaryIO) -> None:
        self._files = files
        self._resume = resume
        self._steering = steering
        self._incoming = incoming
        self._writing = threading.Lock()
        self._sessions: dict[str, tuple[SessionHistory, str]] = {}
        self._prompts: queue.SimpleQueue[tuple[Any, Performance]] = queue.SimpleQueue()
        self._performance: Performance | None = None
        self._questions: dict[int, queue.SimpleQueue[dict[str, Any]]] = {}
        self._next_question = 0
        self._always_allowed: set[str] = set()
        self._shows_forms = False
        self._ignores_eof = False

    def run(self) -> int:
        threading.Thread(target=self._read, daemon=True).start()
        while True:
            request_id, performance = self._prompts.get()
            reply: dict[str, Any]
            try:
                reply = {"result": {"stopReason": performance.play()}}
            except Cancelled:
                reply = {"result": {"stopReason": "cancelled"}}
            except Failed as failure:
                reply = {"error": {"code": _INTERNAL, "message": str(failure)}}
            performance.history.end_turn(performance.said)
            self._performance = None
            self.send({"id": request_id, **reply})

    def send(self, message: dict[str, Any]) -> None:
        self.send_line(json.dumps({"jsonrpc": "2.0", **message}))

    def send_line(self, line: str) -> None:
        try:
            with self._writing:
                sys.stdout.buffer.write(line.encode() + b"\n")
                sys.stdout.buffer.flush()
        except BrokenPipeError:
            os._exit(1)

    def update(self, session_id: str, update: dict[str, Any]) -> None:
        self.send({"method": "session/update", "params": {"sessionId": session_id, "update": update}})

    def ask(self, session_id: str, call: dict[str, Any]) -> queue.SimpleQueue[dict[str, Any]]:
        """Ask for permission; the result arrives in the queue."""
        if call["kind"] in self._always_allowed:
            answers: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
            answers.put({"outcome": {"outcome": "selected", "optionId": "once"}})
            return answers
        options = [
            {"optionId": "once", "name": "Allow", "kind": "allow_once"},
            {"optionId": "always", "name": "Allow for this session", "kind": "allow_always"},
            {"optionId": "no", "name": "Reject", "kind": "reject_once"},
        ]
        params = {"sessionId": session_id, "toolCall": call, "options": options}
        return self._request("session/request_permission", params)

    def ask_form(
        self, session_id: str, message: str, schema: dict[str, Any]
    ) -> queue.SimpleQueue[dict[str, Any]] | None:
        """Ask the user to fill in a form; the result arrives in the queue. None where the client shows no forms."""
        if not self._shows_forms:
            return None
        params = {"sessionId": session_id, "mode": "form", "message": message, "requestedSchema": schema}
        return self._request("elicitation/create", params)

    def allow_always(self, kind: str) -> None:
        self._always_allowed.add(kind)

    def ignore_eof(self) -> None:
        self._ignores_eof = True

    def _request(self, method: str, params: dict[str, Any]) -> queue.SimpleQueue[dict[str, Any]]:
        question = self._next_question
        self._next_question += 1
        answers = self._questions[question] = queue.SimpleQueue()
        self.send({"id": question, "method": method, "params": params})
        return answers

    def _read(self) -> None:
        for line in self._incoming:
            try:
                message = json.loads(line)
            except ValueError:
                continue
            if "method" not in message:
                answers = self._questions.pop(message.get("id"), None)
                if answers is not None:
                    answers.put(message.get("result") or {})
            elif "id" in message:
                try:
                    self._requested(message["id"], message["method"], message.get("params") or {})
                except (KeyError, TypeError, OSError) as error:
                    self._refuse(message["id"], _INTERNAL, f"{type(error).__name__}: {error}")
            elif message["method"] == "session/cancel" and self._performance is not None:
                self._performance.cancel()
        if not self._ignores_eof:
            os._exit(0)

    def _requested(self, request_id: Any, method: str, params: dict[str, Any]) -> None:
        match method:
            case "initialize":
                offered = params.get("clientCapabilities") or {}
                self._shows_forms = (offered.get("elicitation") or {}).get("form") is not None
                self.send({"id": request_id, "result": self._introduction()})
            case "session/new":
                history = self._files.new(params["cwd"])
                self._sessions[history.session_id] = (history, params["cwd"])
                self.send({"id": request_id, "result": {"sessionId": history.session_id}})
            case "session/load" if self._resume == "load":
                self._resumed(request_id, params, replay=True)
            case "session/resume" if self._resume == "resume":
                self._resumed(request_id, params, replay=False)
            case "session/prompt":
                self._prompted(request_id, params)
            case "_session/steering" if self._steering:
                self._steered(request_id, params)
            case _:
                self._refuse(request_id, _NOT_FOUND, f"there is no method {method}")

    def _introduction(self) -> dict[str, Any]:
        return {
            "protocolVersion": 1,
            "agentCapabilities": {
                "loadSession": self._resume == "load",
                "promptCapabilities": {"image": True, "audio": False, "embeddedContext": False},
                "sessionCapabilities": {"resume": {}} if self._resume == "resume" else {},
            },
            "authMethods": [],
            "_meta": {"steering": {"supported": self._steering}},
        }

    def _resumed(self, request_id: Any, params: dict[str, Any], *, replay: bool) -> None:
        history = self._files.find(params["sessionId"])
        if history is None:
            self._refuse(request_id, _UNKNOWN_SESSION, f"there is no session {params['sessionId']}")
            return
        self._sessions[history.session_id] = (history, params["cwd"])
        for prompt, said in history.turns if replay else ():
            for kind, text in (("user_message_chunk", prompt), ("agent_message_chunk", said)):
                self.update(history.session_id, {"sessionUpdate": kind, "content": {"type": "text", "text": text}})
        self.send({"id": request_id, "result": {}})

    def _prompted(self, request_id: Any, params: dict[str, Any]) -> None:
        history, workspace = self._sessions.get(params["sessionId"], (None, ""))
        if history is None:
            self._refuse(request_id, _UNKNOWN_SESSION, f"there is no session {params['sessionId']}")
        elif self._performance is not None:
            self._refuse(request_id, _INVALID_REQUEST, "a prompt is running")
        else:
            script = "\n".join(block["text"] for block in params["prompt"] if block["type"] == "text")
            images = [block for block in params["prompt"] if block["type"] == "image"]
            self._performance = Performance(self, history, workspace, script, images)
            self._prompts.put((request_id, self._performance))

    def _steered(self, request_id: Any, params: dict[str, Any]) -> None:
        script = "\n".join(block["text"] for block in params["prompt"] if block["type"] == "text")
        performance = self._performance
        is_taken = performance is not None and performance.steer(script)
        outcome = {"outcome": "injected"} if is_taken else {"outcome": "promptRequired", "reason": "noRunningTurn"}
        self.send({"id": request_id, "result": outcome})

    def _refuse(self, request_id: Any, code: int, message: str) -> None:
        self.send({"id": request_id, "error": {"code": code, "message": message}})
