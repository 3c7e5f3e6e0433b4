"""The supervisor: runs actors in the runtime's task group, and never lets their failures reach the host's code.

- An actor that raises is restarted, with backoff, as its policy allows. One that is beyond restarting fails the
  runtime: commands are refused from then on and `health()` has the error; the host's own code is not cancelled.
- A Ctrl-C that strikes an actor's code fails the runtime too, and is passed on to the host.
- A cancellation of the host's code does not reach actors: they are stopped in order, or ended by `cancel`.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

import anyio
import attrs
from anyio.abc import TaskGroup

from ..contracts.errors import RuntimeFailed
from .backoff import Backoff
from .detached_task import deliver
from .last_errors import LastErrors

RESTART_BACKOFF: Final = Backoff(first_seconds=0.1, longest_seconds=10.0)

_logger = logging.getLogger(__name__)


@attrs.frozen(kw_only=True)
class RestartPolicy:
    """At most `restarts` within `within_seconds`, each after a wait of `backoff`."""

    restarts: int = 0
    within_seconds: float = 60.0
    backoff: Backoff = RESTART_BACKOFF


NEVER: Final = RestartPolicy()
"""For actors whose state cannot outlive a failure: the dispatcher."""

OFTEN: Final = RestartPolicy(restarts=5)


@attrs.frozen(kw_only=True)
class ActorFailure:
    """Why an actor is beyond restarting."""

    actor: str
    error: BaseException


class Supervisor:
    """Starts and restarts actors."""

    def __init__(self, errors: LastErrors, *, on_failure: Callable[[ActorFailure], None]) -> None:
        self._errors = errors
        self._tasks: TaskGroup | None = None
        self._scopes: list[anyio.CancelScope] = []
        self._on_failure = on_failure
        self._restarts: dict[str, int] = {}
        self._failure: ActorFailure | None = None

    @property
    def failure(self) -> ActorFailure | None:
        """The first actor that was beyond restarting."""
        return self._failure

    @property
    def restarts(self) -> dict[str, int]:
        """How often each actor was restarted."""
        return dict(self._restarts)

    def run_in(self, tasks: TaskGroup) -> None:
        """Start actors in this task group from now on."""
        self._tasks = tasks

    def start(self, name: str, run: Callable[[], Awaitable[None]], policy: RestartPolicy = NEVER) -> anyio.Event:
        """Run an actor. The event is set when it has ended and is not started again."""
        assert self._tasks is not None, "actors start after run_in"
        ended = anyio.Event()
        scope = anyio.CancelScope(shield=True)
        self._scopes.append(scope)
        self._tasks.start_soon(self._run, scope, name, run, policy, ended, name=name)
        return ended

    def cancel(self) -> None:
        """End every actor that has not ended yet."""
        for scope in self._scopes:
            scope.cancel()

    async def _run(
        self,
        scope: anyio.CancelScope,
        name: str,
        run: Callable[[], Awaitable[None]],
        policy: RestartPolicy,
        ended: anyio.Event,
    ) -> None:
        try:
            with scope:
                await self._supervise(name, run, policy, ended)
        except anyio.get_cancelled_exc_class():
            if not scope.cancel_called:
                self._give_up(ActorFailure(actor=name, error=RuntimeFailed("its task was cancelled from outside")))
            raise

    async def _supervise(
        self, name: str, run: Callable[[], Awaitable[None]], policy: RestartPolicy, ended: anyio.Event
    ) -> None:
        failures: deque[float] = deque(maxlen=policy.restarts + 1)
        try:
            while True:
                try:
                    return await run()
                except Exception as error:
                    failures.append(anyio.current_time())
                    self._errors.note(name, error)
                    if self._is_beyond(failures, policy):
                        self._give_up(ActorFailure(actor=name, error=error))
                        return
                    _logger.exception("%s failed and is restarted", name, extra={"actor": name})
                    self._restarts[name] = self._restarts.get(name, 0) + 1
                    await anyio.sleep(policy.backoff.seconds(len(failures)))
        except anyio.get_cancelled_exc_class():
            raise
        except BaseException as interrupt:
            self._give_up(ActorFailure(actor=name, error=interrupt))
            deliver(interrupt)
        finally:
            ended.set()

    @staticmethod
    def _is_beyond(failures: deque[float], policy: RestartPolicy) -> bool:
        return len(failures) > policy.restarts and failures[-1] - failures[0] <= policy.within_seconds

    def _give_up(self, failure: ActorFailure) -> None:
        _logger.error("%s is beyond restarting", failure.actor, exc_info=failure.error, extra={"actor": failure.actor})
        if self._failure is None:
            self._failure = failure
        self._on_failure(failure)
