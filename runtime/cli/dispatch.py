"""`orchestrion dispatch`: commands from standard input, one answer line each, in the order of the input.

- A line that is no command is answered and does not end the run. Blank lines are skipped.
- Commands enter the dispatcher's mailbox in the order of their lines. At most `concurrency` of them are unanswered:
  the next line is read when one of those answers has been written and flushed.
- The end of the input, or SIGTERM, ends the run after the last answer.
"""

from __future__ import annotations

import logging
import math
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any, Final

import anyio
import attrs
import click
import orjson
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from ...actors.log import dispatcher
from ...actors.log.dispatcher import Submission
from ...contracts.admission import parse_command
from ...contracts.commands import INTERNAL_COMMANDS, Command
from ...contracts.errors import CommandIdReused, CommandRejected, InvalidCommand, OrchestrionError
from ...contracts.values import ActorKind
from ...persistence.threads import in_thread
from ..host import open_runtime
from ..runtime import Runtime
from .command_lines import CommandLines
from .messages import MOST_REPEATED, bounded
from .output import write_json
from .parameters import database_argument
from .signals import run_until_signal

_ERRORS: Final = frozenset({"invalid", "reused", "failed"})


@click.command()
@database_argument
@click.option("--internal", is_flag=True, help="Also accept internal commands, as actor `provider`.")
@click.option(
    "--concurrency",
    metavar="N",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="How many commands may wait for their answer at a time.",
)
@click.pass_context
def dispatch(context: click.Context, database: Path, internal: bool, concurrency: int) -> None:
    """Read commands as JSON Lines from standard input, and print one answer per line.

    Creates DB if it is missing. Runs no agents and does not recover turns. Exits with 1 if any answer is `invalid`,
    `reused` or `failed`.
    """
    logging.getLogger(dispatcher.__name__).setLevel(logging.ERROR)  # the answers report what the store refused
    end_of_input = anyio.Event()
    dispatching = partial(_dispatch, database, end_of_input, internal=internal, concurrency=concurrency)
    context.exit(run_until_signal(dispatching, on_signal=partial(_end_input, end_of_input)))


def _end_input(end_of_input: anyio.Event, number: int) -> bool:
    """Take the first SIGTERM for the end of the input. Anything else ends the host."""
    if number != signal.SIGTERM or end_of_input.is_set():
        return False
    end_of_input.set()
    return True


async def _dispatch(database: Path, end_of_input: anyio.Event, *, internal: bool, concurrency: int) -> int:
    async with open_runtime(database) as runtime:
        run = _InputRun(runtime, end_of_input, internal=internal, concurrency=concurrency)
        await run.answer_all(CommandLines(sys.stdin.fileno()))
    return 1 if run.failed else 0


@attrs.frozen(kw_only=True)
class _PendingLine:
    """A line that waits to be answered: its submission, or the error that kept it from the mailbox."""

    command_id: str | None
    outcome: Submission | Exception


class _InputRun:
    """One run over the input, up to `end_of_input`. `failed`: any line was answered with an error."""

    def __init__(self, runtime: Runtime, end_of_input: anyio.Event, *, internal: bool, concurrency: int) -> None:
        self._runtime = runtime
        self._end_of_input = end_of_input
        self._internal = internal
        self._unanswered = anyio.Semaphore(concurrency)
        self._output_error: OSError | None = None
        self.failed = False

    async def answer_all(self, lines: CommandLines) -> None:
        """Answer every line.

        Raises:
            OSError: the output cannot be written. Commands that were submitted are handled all the same.
        """
        send, receive = anyio.create_memory_object_stream[_PendingLine](math.inf)  # bounded by the semaphore
        async with anyio.create_task_group() as tasks:
            reading = anyio.CancelScope()

            async def stop_reading() -> None:
                await self._end_of_input.wait()
                reading.cancel()

            async def write_answers() -> None:
                async with receive:
                    await self._write_answers(receive)
                tasks.cancel_scope.cancel()

            tasks.start_soon(stop_reading)
            tasks.start_soon(write_answers)
            async with send:
                with reading:
                    await self._submit_lines(lines, send)
        if self._output_error is not None:
            raise self._output_error

    async def _submit_lines(self, lines: CommandLines, asked: MemoryObjectSendStream[_PendingLine]) -> None:
        while True:
            await self._unanswered.acquire()
            line = b""
            while not line.strip():
                try:
                    taken = await lines.next_line()
                except InvalidCommand as error:
                    asked.send_nowait(_PendingLine(command_id=None, outcome=error))
                    break
                if taken is None:
                    return
                line = taken
            else:
                with anyio.CancelScope(shield=True):  # a command that is in the mailbox is answered
                    asked.send_nowait(await self._submitted(line))

    async def _submitted(self, line: bytes) -> _PendingLine:
        command_id: str | None = None
        try:
            content = _parsed_object(line)
            stated = content.get("commandId")
            command_id = stated[:MOST_REPEATED] if isinstance(stated, str) else None
            command = parse_command(content)
            submission = await self._runtime.submit(command, actor=self._actor_of(command))
        except Exception as error:  # whatever it is, it is this line's answer
            return _PendingLine(command_id=command_id, outcome=error)
        return _PendingLine(command_id=command_id, outcome=submission)

    def _actor_of(self, command: Command) -> ActorKind:
        return "provider" if self._internal and isinstance(command, INTERNAL_COMMANDS) else "client"

    async def _write_answers(self, asked: MemoryObjectReceiveStream[_PendingLine]) -> None:
        async for one in asked:
            answer = await _answer(one)
            self.failed = self.failed or answer["status"] in _ERRORS
            try:
                await in_thread(write_json, answer)
            except OSError as error:
                self._output_error = error
                return
            self._unanswered.release()


def _parsed_object(line: bytes) -> dict[str, Any]:
    """The object on a line.

    Raises:
        InvalidCommand: the line is not JSON, or not an object.
    """
    try:
        content = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise InvalidCommand("$", f"the line is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise InvalidCommand("$", "expected an object")
    return content


async def _answer(asked: _PendingLine) -> dict[str, Any]:
    try:
        if isinstance(asked.outcome, Exception):
            raise asked.outcome
        result = await asked.outcome.result()
    except CommandRejected as error:
        outcome: dict[str, Any] = {"status": "rejected", "error": bounded(error.reason), "duplicate": error.duplicate}
    except CommandIdReused as error:
        outcome = {"status": "reused", "error": bounded(str(error))}
    except InvalidCommand as error:
        outcome = {"status": "invalid", "error": bounded(str(error))}
    except OrchestrionError as error:
        outcome = {"status": "failed", "error": bounded(str(error))}
    except Exception as error:  # a defect: no receipt, no event, and still an answer
        outcome = {"status": "failed", "error": bounded(repr(error))}
    else:
        outcome = {"status": "accepted", "sequence": result.sequence, "duplicate": result.duplicate}
    return {"commandId": asked.command_id, **outcome}
