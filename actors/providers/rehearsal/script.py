"""The rehearsal agent's scripts: a turn, performed directive by directive. The package's docstring lists them."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from .sessions import SessionHistory

__all__ = ["Cancelled", "Failed", "Performance"]

_POLL_SECONDS = 0.01
_WORD = re.compile(r"\S+\s*|\s+")


class Cancelled(Exception):
    """The client cancelled the turn, or the permission that the script waits for."""


class Failed(Exception):
    """The script asked for an error."""


class _Stopped(Exception):
    """The script asked for a stop reason."""


class ClientConnection(Protocol):
    """The client, as a script speaks to it."""

    def send_line(self, line: str) -> None: ...

    def update(self, session_id: str, update: dict[str, Any]) -> None: ...

    def ask(self, session_id: str, call: dict[str, Any]) -> queue.SimpleQueue[dict[str, Any]]: ...

    def ask_form(
        self, session_id: str, message: str, schema: dict[str, Any]
    ) -> queue.SimpleQueue[dict[str, Any]] | None: ...

    def allow_always(self, kind: str) -> None: ...

    def ignore_eof(self) -> None: ...


class Performance:
    """One turn. `cancel` may come from another thread; everything else belongs to the main thread."""

    def __init__(
        self,
        client: ClientConnection,
        history: SessionHistory,
        workspace: str,
        script: str,
        images: list[dict[str, Any]],
    ) -> None:
        self.history = history
        self.said = ""
        self._client = client
        self._workspace = Path(workspace)
        self._images = images
        self._cancelled = threading.Event()
        self._lines = deque(script.splitlines())
        self._steered: list[str] = []
        self._taking = threading.Lock()
        self._is_over = False
        self._pause = 0.0
        self._calls = 0
        self._directives: dict[str, Callable[[str], None]] = {
            "say": self._say,
            "think": self._think,
            "plan": self._plan,
            "run": self._run,
            "exec": self._exec,
            "background": self._background,
            "write": self._write,
            "ask": self._ask,
            "question": self._question,
            "secret": self._secret,
            "form": self._form,
            "recall": self._recall,
            "see": self._see,
            "show": self._show,
            "draw": self._draw,
            "delay": self._delay,
            "slow": self._slow,
            "wait-for": self._wait_for,
            "touch": self._touch,
            "flood": self._flood,
            "stderr": self._stderr,
            "stop": self._stop,
            "fail": self._fail,
            "exit": self._exit,
            "garbage": self._garbage,
            "hang": self._hang,
            "ignore-eof": self._ignore_eof,
            "ignore-term": self._ignore_term,
            "spawn": self._spawn,
        }
        history.begin_turn(script)

    def cancel(self) -> None:
        self._cancelled.set()

    def steer(self, script: str) -> bool:
        """Perform this script next. False if the turn has ended."""
        with self._taking:
            if not self._is_over:
                self._steered += script.splitlines()
                self.history.steer(script)
            return not self._is_over

    def _next_line(self, *, is_first: bool) -> str | None:
        with self._taking:
            if not is_first or not self._lines:
                self._lines.extendleft(reversed(self._steered))
                self._steered.clear()
            self._is_over = not self._lines and not self._steered
            return self._lines.popleft() if self._lines else None

    def play(self) -> str:
        """Perform the script and return its stop reason."""
        line, is_first = "", True
        try:
            while (taken := self._next_line(is_first=is_first)) is not None:
                line, is_first = taken, False
                word, _, argument = line.strip().partition(" ")
                self._directives.get(word, self._nothing(line))(argument.replace("\\n", "\n"))
                self._check()
        except _Stopped as stopped:
            return str(stopped)
        except (ValueError, OSError) as error:
            raise Failed(f"{line.strip()}: {error}") from error
        finally:
            with self._taking:
                self._is_over = True
        return "end_turn"

    def _nothing(self, line: str) -> Callable[[str], None]:
        return lambda _: self._say(line)

    def _say(self, text: str) -> None:
        if self.said:
            self._stream("agent_message_chunk", "\n")
            self.said += "\n"
        for word in _WORD.findall(text):
            self._wait(self._pause)
            self._stream("agent_message_chunk", word)
            self.said += word

    def _think(self, text: str) -> None:
        for word in _WORD.findall(text):
            self._wait(self._pause)
            self._stream("agent_thought_chunk", word)

    def _plan(self, text: str) -> None:
        entries = [{"content": step.strip(), "priority": "medium", "status": "pending"} for step in text.split(";")]
        self._update({"sessionUpdate": "plan", "entries": entries})

    def _run(self, title: str) -> None:
        call = self._begin({"title": title, "kind": "execute", "rawInput": {"command": title}})
        self._progress(call, status="in_progress")
        self._progress(call, status="completed", content=[_text(f"{title}: done")])

    def _exec(self, command: str) -> None:
        call = self._begin({"title": command, "kind": "execute", "rawInput": {"command": command}})
        child = self._shell(command)
        try:
            while child.poll() is None:
                self._wait(_POLL_SECONDS)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        self._progress(call, status="completed")

    def _background(self, command: str) -> None:
        self._say(f"started {self._shell(command).pid}")

    def _shell(self, command: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ["sh", "-c", command],
            cwd=self._workspace,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )

    def _write(self, argument: str) -> None:
        path, _, content = argument.partition(" ")
        target = self._inside(path)
        old = target.read_text(encoding="utf-8") if target.is_file() else None
        diff = {"type": "diff", "path": str(target), "oldText": old, "newText": content}
        call = self._begin(
            {"title": f"Write {path}", "kind": "edit", "locations": [{"path": str(target)}], "content": [diff]}
        )
        if self._allowed(call):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(content, encoding="utf-8")
            self._progress(call, status="completed")
            self._say(f"wrote {path}")
        else:
            self._progress(call, status="failed")
            self._say(f"did not write {path}: rejected")

    def _ask(self, title: str) -> None:
        self._calls += 1
        call = {"toolCallId": f"call-{self._calls}", "title": title, "kind": "other"}
        self._say(f"{title}: {'allowed' if self._allowed(call) else 'rejected'}")

    def _question(self, argument: str) -> None:
        text, _, options = argument.partition(": ")
        field: dict[str, Any] = {"type": "string", "title": text}
        if options:
            field["enum"] = [option.strip() for option in options.split(";")]
        values = self._filled_in(text, {"answer": field})
        self._say(f"{text}: {'declined' if values is None else values['answer']}")

    def _secret(self, text: str) -> None:
        values = self._filled_in(text, {"answer": {"type": "string", "title": text, "format": "password"}})
        self._say(f"{text}: {'declined' if values is None else len(values['answer'])}")

    def _form(self, argument: str) -> None:
        schema = json.loads(argument)
        properties = schema.get("properties") or {}
        values = self._filled_in(schema.get("title", "form"), properties, required=schema.get("required"))
        self._say("declined" if values is None else json.dumps(values, sort_keys=True))

    def _recall(self, _: str) -> None:
        prompts = [prompt.replace("\n", " / ") for prompt, _ in self.history.turns[:-1]]
        self._say(f"I remember {len(prompts)} turns: {' | '.join(prompts)}".rstrip(": "))

    def _see(self, _: str) -> None:
        seen = [f"{one['mimeType']} of {len(base64.b64decode(one['data']))} bytes" for one in self._images]
        self._say(f"images: {len(seen)}: {', '.join(seen)}".rstrip(": "))

    def _show(self, path: str) -> None:
        self._update({"sessionUpdate": "agent_message_chunk", "content": self._image(path)})

    def _draw(self, path: str) -> None:
        call = self._begin({"title": f"Draw {path}", "kind": "other"})
        self._progress(call, status="completed", content=[{"type": "content", "content": self._image(path)}])

    def _image(self, path: str) -> dict[str, Any]:
        data = base64.b64encode(self._inside(path).read_bytes()).decode()
        return {"type": "image", "mimeType": "image/png", "data": data}

    def _delay(self, seconds: str) -> None:
        self._wait(float(seconds))

    def _slow(self, seconds: str) -> None:
        self._pause = float(seconds)

    def _wait_for(self, path: str) -> None:
        target = self._inside(path)
        while not target.exists():
            self._wait(_POLL_SECONDS)

    def _touch(self, path: str) -> None:
        self._inside(path).touch()

    def _flood(self, size: str) -> None:
        call = self._begin({"title": f"flood {size}", "kind": "execute"})
        self._progress(call, status="completed", content=[_text("x" * int(size))])

    def _stderr(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def _stop(self, reason: str) -> None:
        raise _Stopped(reason)

    def _fail(self, message: str) -> None:
        raise Failed(message)

    def _exit(self, code: str) -> None:
        os._exit(int(code))

    def _garbage(self, _: str) -> None:
        self._client.send_line("this is no message")

    def _hang(self, _: str) -> None:
        threading.Event().wait()

    def _ignore_eof(self, _: str) -> None:
        self._client.ignore_eof()

    def _ignore_term(self, _: str) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def _spawn(self, _: str) -> None:
        child = subprocess.Popen(["sleep", "3600"])
        self._say(f"spawned {child.pid}")

    def _inside(self, path: str) -> Path:
        target = (self._workspace / path).resolve()
        if not target.is_relative_to(self._workspace.resolve()):
            raise ValueError(f"{path} is outside the workspace")
        return target

    def _filled_in(
        self, message: str, properties: dict[str, Any], *, required: list[str] | None = None
    ) -> dict[str, Any] | None:
        """The values of a form; None where the user declined."""
        schema = {"type": "object", "properties": properties, "required": list(required or properties)}
        answers = self._client.ask_form(self.history.session_id, message, schema)
        if answers is None:
            raise Failed("this client shows no forms")
        result = self._result_of(answers)
        if result.get("action") == "accept":
            return dict(result.get("content") or {})
        if result.get("action") == "decline":
            return None
        raise Cancelled

    def _result_of(self, answers: queue.SimpleQueue[dict[str, Any]]) -> dict[str, Any]:
        while True:
            with contextlib.suppress(queue.Empty):
                return answers.get(timeout=_POLL_SECONDS)
            self._check()

    def _allowed(self, call: dict[str, Any]) -> bool:
        result = self._result_of(self._client.ask(self.history.session_id, call))
        outcome = result.get("outcome") or {"outcome": "cancelled"}
        if outcome["outcome"] != "selected":
            raise Cancelled
        if outcome["optionId"] == "always":
            self._client.allow_always(call["kind"])
        return outcome["optionId"] in ("once", "always")

    def _begin(self, call: dict[str, Any]) -> dict[str, Any]:
        self._calls += 1
        call = {"toolCallId": f"call-{self._calls}", **call}
        self._update({"sessionUpdate": "tool_call", "status": "pending", **call})
        return call

    def _progress(self, call: dict[str, Any], **fields: Any) -> None:
        self._update({"sessionUpdate": "tool_call_update", "toolCallId": call["toolCallId"], **fields})

    def _stream(self, kind: str, text: str) -> None:
        self._update({"sessionUpdate": kind, "content": {"type": "text", "text": text}})

    def _update(self, update: dict[str, Any]) -> None:
        self._client.update(self.history.session_id, update)

    def _wait(self, seconds: float) -> None:
        self._cancelled.wait(seconds)
        self._check()

    def _check(self) -> None:
        if self._cancelled.is_set():
            raise Cancelled


def _text(text: str) -> dict[str, Any]:
    return {"type": "content", "content": {"type": "text", "text": text}}
