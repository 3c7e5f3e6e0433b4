"""The dispatcher: the one actor that decides commands and appends to the log.

- Commands enter a mailbox in order, bounded in number and in bytes; a full one makes its callers wait. Nothing is
  dropped.
- What has gathered, up to a bound of both kinds, is one group commit on the write lane (`command_group`). After the
  commit the first callers get their answers, the events are published, and the others get theirs. None goes on
  before the head is published.
- A caller that is cancelled leaves its command in the mailbox: sending it again under the same id returns its outcome.
- Closed, it refuses new commands, handles those in the mailbox, and ends. When a commit's outcome cannot be found out,
  it fails permanently: every caller, waiting or new, gets `RuntimeFailed`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import anyio
import attrs
from anyio.lowlevel import cancel_shielded_checkpoint

from ...contracts.errors import (
    CommandIdReused,
    CommandRejected,
    ConcurrencyConflict,
    Overloaded,
    RuntimeFailed,
    RuntimeStopped,
    StoreError,
)
from ...contracts.read_model import DispatchResult
from ...domain.decide import aggregate_of
from ...persistence.command_envelope import CommandEnvelope
from ...persistence.command_group import CommandAnswer, CommandGroup
from ...persistence.crash_points import crash_point
from ...persistence.lane import WriteLane
from ..last_errors import LastErrors
from ..shields import shield
from .event_log import EventLog
from .mailbox import Mailbox, MailboxClosed
from .secret_answers import SecretAnswers

MAILBOX_COMMANDS: Final = 1024
MAILBOX_BYTES: Final = 32 * 1024 * 1024
GROUP_COMMANDS: Final = 256
GROUP_BYTES: Final = 4 * 1024 * 1024
"""A command larger than a bound is alone: in the mailbox, in its group."""

ANSWERS_AT_ONCE: Final = 32
"""How many callers one turn of the loop wakes: what else waits for the loop comes in between."""


_CALLERS_OWN: Final = (CommandRejected, CommandIdReused, ConcurrencyConflict)

_logger = logging.getLogger(__name__)


@attrs.define(eq=False)
class Submission:
    """A command in the mailbox. `result` waits for its answer."""

    envelope: CommandEnvelope
    _answered: anyio.Event = attrs.field(factory=anyio.Event, init=False)
    _answer: CommandAnswer | None = attrs.field(default=None, init=False)

    async def result(self) -> DispatchResult:
        """The command's outcome. Any number of tasks may wait; cancelling one abandons the answer only.

        Raises:
            CommandRejected: the command breaches an invariant.
            CommandIdReused: its id belongs to an accepted command with other content.
            ConcurrencyConflict: the stream is not at the expected version.
            StoreError: nothing was written; the same command may be sent again.
            RuntimeFailed: the runtime stopped; sending the command to a new one returns its outcome.
        """
        await self._answered.wait()
        if isinstance(self._answer, DispatchResult):
            return self._answer
        assert self._answer is not None
        raise self._answer

    def answer(self, answer: CommandAnswer) -> None:
        self._answer = answer
        self._answered.set()


class Dispatcher:
    """Owns the mailbox and the head of the log."""

    def __init__(
        self,
        lane: WriteLane,
        group: CommandGroup,
        log: EventLog,
        positions: Callable[[], Mapping[str, int]],
        *,
        errors: LastErrors,
        secrets: SecretAnswers | None = None,
    ) -> None:
        self._errors = errors
        self._secrets = secrets or SecretAnswers(limit=0)
        self._lane = lane
        self._group = group
        self._log = log
        self._positions = positions
        self._refuses_clients = False
        self._mailbox: Mailbox[Submission] = Mailbox(items=MAILBOX_COMMANDS, size=MAILBOX_BYTES)
        self._failure: BaseException | None = None

    @property
    def depth(self) -> int:
        """Commands in the mailbox."""
        return self._mailbox.depth

    @property
    def waiting(self) -> int:
        """Callers that wait for room in the mailbox."""
        return self._mailbox.waiting

    @property
    def failure(self) -> BaseException | None:
        """Why the dispatcher takes no more commands, None while it does."""
        return self._failure

    async def submit(self, envelope: CommandEnvelope) -> Submission:
        """Put a command into the mailbox, after every one that was put there before, and return at once.

        Waits while the mailbox is full. Cancelled there, the command was not taken, unless its turn came at that very
        moment: sending it again under the same id returns its outcome.

        Raises:
            RuntimeStopped: the runtime is stopping.
            RuntimeFailed: the runtime has failed.
        """
        submission = self._submission(envelope)
        try:
            await self._mailbox.send(submission, envelope.held_size)
        except MailboxClosed:
            raise self._closing_error() from None
        return submission

    def submit_nowait(self, envelope: CommandEnvelope) -> Submission:
        """Put a command into the mailbox if there is room for it, after every one that was put there before.

        Raises:
            Overloaded: the mailbox is full; the command was not taken.
            RuntimeStopped: the runtime is stopping.
            RuntimeFailed: the runtime has failed.
        """
        submission = self._submission(envelope)
        try:
            self._mailbox.send_nowait(submission, envelope.held_size)
        except MailboxClosed:
            raise self._closing_error() from None
        except Overloaded as full:
            raise Overloaded(
                items=full.items, size=full.size, waiting=full.waiting, command_id=envelope.command.command_id
            ) from None
        return submission

    async def dispatch(self, envelope: CommandEnvelope) -> DispatchResult:
        """Submit a command and wait for its outcome. Raises what `submit` and `Submission.result` raise."""
        submission = await self.submit(envelope)
        return await submission.result()

    def refuse_clients(self) -> None:
        """Take no more commands of clients; the runtime's own actors still report what they finish."""
        self._refuses_clients = True

    def fail(self, error: BaseException) -> None:
        """Another actor is beyond restarting: every caller from now on gets `RuntimeFailed`."""
        if self._failure is None:
            self._failure = error
        self._mailbox.close()

    def close(self) -> None:
        """Take no more commands; those in the mailbox are handled, callers that wait for room are refused."""
        self._mailbox.close()

    async def run(self) -> None:
        """Handle commands until the mailbox is closed and empty."""
        try:
            while True:
                await self._handle(await self._mailbox.take(items=GROUP_COMMANDS, size=GROUP_BYTES))
        except anyio.EndOfStream:
            return
        except BaseException as error:
            if self._failure is None:
                self._failure = error
            raise
        finally:
            self._mailbox.close()
            self._answer_rest()

    def _submission(self, envelope: CommandEnvelope) -> Submission:
        if self._refuses_clients and envelope.actor == "client":
            raise self._closing_error()
        return Submission(envelope)

    async def _handle(self, group: list[Submission]) -> None:
        envelopes = [submission.envelope for submission in group]
        positions = self._positions()
        try:
            with shield():
                outcome = await self._lane.run(lambda _: self._group.handle(envelopes, positions))
        except Exception as error:
            for submission in group:
                submission.answer(RuntimeFailed(f"the runtime stopped: {error}"))
            raise
        crash_point("dispatch.committed")
        self._secrets.keep(outcome.withheld)
        answered = list(zip(group, outcome.answers, strict=True))
        # Nothing else runs before the events are published. Then asyncio runs first who was answered first, so that
        # callers do not wait for eight projectors and every reader.
        _answer(answered[:ANSWERS_AT_ONCE])
        self._log.publish(outcome.batch)
        crash_point("dispatch.published")
        for start in range(ANSWERS_AT_ONCE, len(answered), ANSWERS_AT_ONCE):
            await cancel_shielded_checkpoint()
            _answer(answered[start : start + ANSWERS_AT_ONCE])
        for submission, answer in answered:
            if isinstance(answer, Exception) and not isinstance(answer, _CALLERS_OWN):
                self._report(submission.envelope, answer)

    def _report(self, envelope: CommandEnvelope, error: Exception) -> None:
        """Log a command that the store refused, or that met a defect: otherwise only its caller would know."""
        self._errors.note("dispatcher", error)
        command = envelope.command
        kind, stream_id = aggregate_of(command)
        _logger.log(
            logging.WARNING if isinstance(error, StoreError) else logging.ERROR,
            "command %s failed: %r",
            command.command_id,
            error,
            exc_info=None if isinstance(error, StoreError) else error,
            extra={"command_id": command.command_id, f"{kind}_id": stream_id},
        )

    def _answer_rest(self) -> None:
        for submission in self._mailbox.take_nowait(items=MAILBOX_COMMANDS, size=MAILBOX_BYTES):
            submission.answer(self._closing_error())

    def _closing_error(self) -> RuntimeStopped | RuntimeFailed:
        if self._failure is None or isinstance(self._failure, anyio.get_cancelled_exc_class()):
            return RuntimeStopped("the runtime is stopping and takes no more commands")
        return RuntimeFailed(f"the runtime stopped: {self._failure}")


def _answer(answered: Iterable[tuple[Submission, CommandAnswer]]) -> None:
    for submission, answer in answered:
        submission.answer(answer)
