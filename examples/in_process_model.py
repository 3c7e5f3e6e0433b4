"""Chat with a model behind an OpenAI-compatible HTTP API. The agent is a function of this program.

    python examples/in_process_model.py http://localhost:11434/v1 llama3.2 "Why is the sky blue?"
    python examples/in_process_model.py http://localhost:11434/v1 llama3.2 "And at night?"

The second run continues the conversation: its memory is the thread in `chat.db`. The same holds when the program is
killed at any moment. `OPENAI_API_KEY` is sent if it is set.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import anyio
from anyio.to_thread import run_sync

from orchestrion import Ended, FailureReason, InProcessTurn, ProviderError, Text, in_process_provider, open_runtime

TIMEOUT_SECONDS: Final = 120
REASONS: Final[dict[int, FailureReason]] = {401: "unauthenticated", 404: "model_unavailable", 429: "rate_limited"}


@dataclass(frozen=True)
class ChatModel:
    """A model at an address. `answer` is the agent."""

    url: str
    model: str

    async def answer(self, turn: InProcessTurn) -> AsyncGenerator[str]:
        """Stream the model's answer to the turn's message, after those of the earlier turns."""
        messages = [{"role": message.role, "content": message.text} for message in await turn.history()]
        messages.append({"role": "user", "content": turn.text})
        is_whole = False
        async with aclosing(self._lines({"model": self.model, "messages": messages, "stream": True})) as lines:
            async for line in lines:
                data = line.decode().removeprefix("data:").strip()
                if data == "[DONE]":
                    is_whole = True
                elif data.startswith("{"):
                    for choice in json.loads(data)["choices"]:
                        if text := choice["delta"].get("content"):
                            yield text
        if not is_whole:
            raise ProviderError("the model's answer was cut off")

    async def _lines(self, body: object) -> AsyncGenerator[bytes]:
        """The lines of the answer to a request. Threads read them; leaving ends the request."""
        connection = self._connection()
        try:
            await run_sync(connection.connect, abandon_on_cancel=True)
        except OSError as error:
            raise ProviderError(f"{self.url} cannot be reached: {error}", reason="unresponsive") from error
        wire: socket.socket = connection.sock
        try:
            response = await run_sync(self._post, connection, json.dumps(body), abandon_on_cancel=True)
            while line := await run_sync(response.readline, abandon_on_cancel=True):
                yield line
            response.close()
        except (OSError, http.client.HTTPException) as error:
            raise ProviderError(f"the request failed: {error}", reason="unresponsive") from error
        finally:
            with suppress(OSError):
                wire.shutdown(socket.SHUT_RDWR)  # wakes the thread that reads
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        address = urlsplit(self.url)
        kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
        return kind(address.hostname or "", address.port, timeout=TIMEOUT_SECONDS)

    def _post(self, connection: http.client.HTTPConnection, body: str) -> http.client.HTTPResponse:
        headers = {"Content-Type": "application/json", "Connection": "close"}
        if key := os.environ.get("OPENAI_API_KEY"):
            headers["Authorization"] = f"Bearer {key}"
        connection.request("POST", f"{urlsplit(self.url).path}/chat/completions", body, headers)
        response = connection.getresponse()
        if response.status != 200:
            said = response.read(2000).decode(errors="replace")
            raise ProviderError(f"HTTP {response.status}: {said}", reason=REASONS.get(response.status))
        return response


async def chat(url: str, model: str, prompt: str, *, directory: Path) -> Ended:
    """Take one turn in the thread of `directory`, and print the answer as it comes."""
    provider = in_process_provider("chat", ChatModel(url, model).answer)
    async with open_runtime(directory / "chat.db", providers=[provider]) as runtime:
        thread = await runtime.open_thread(workspace=directory, thread_id="chat")
        async with thread.turn(prompt) as turn:
            async for item in turn:
                match item:
                    case Text(text=text):
                        print(text, end="", flush=True)
                    case Ended():
                        print()
                        return item
    raise AssertionError("a turn ends with Ended")


if __name__ == "__main__":
    ended = anyio.run(lambda: chat(*sys.argv[1:], directory=Path.cwd()))
    sys.exit(None if ended.outcome == "completed" else ended.error or ended.outcome)
