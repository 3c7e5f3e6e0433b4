"""Which provider serves a thread, and what the host gives the thread's sessions.

The provider of its conversation serves it on. A thread without a conversation is served by the provider that it was
created for, else by the only one, else by the one that the host chooses. The host's config applies in each case.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import attrs

from ...contracts.errors import ProviderUnavailable
from ...contracts.ids import ThreadId
from ...contracts.read_model import ProjectView, ThreadView
from ..detached_task import interruption_in
from ..providers.adapter import Provider
from ..providers.provider_calls import describe_error
from ..providers.session_config import NO_CONFIG, SessionConfig
from .context import ThreadContext
from .conversation_loss import WAY_TO_MOVE

__all__ = ["ChooseProvider", "ProviderChoice"]

Chosen: TypeAlias = str | SessionConfig | tuple[str, SessionConfig]
"""The name of a provider, what its sessions are given, or both."""

ChooseProvider: TypeAlias = Callable[[ProjectView, ThreadView], Chosen]

_MOST_ANSWERS: Final = 10_000


@attrs.frozen
class _HostAnswer:
    name: str | None
    config: SessionConfig


@attrs.frozen(kw_only=True)
class ProviderChoice:
    """The providers of a runtime by their names, and how its host chooses among them.

    The host is asked once for a thread. Its answers for the last 10,000 threads are kept in memory.
    """

    providers: Mapping[str, Provider]
    choose: ChooseProvider | None = None
    _answers: dict[ThreadId, _HostAnswer] = attrs.field(factory=dict, init=False, repr=False)

    def provider_of(self, context: ThreadContext) -> Provider:
        """The provider that serves the thread.

        Raises:
            ProviderUnavailable: none does, or nothing says which.
        """
        served_by = None if context.runtime is None else context.runtime.provider_name
        if served_by is not None and not context.conversation_was_forgotten:
            return self._named(served_by, context, f"is served by {served_by!r}", WAY_TO_MOVE)
        created_for = None if served_by is not None else context.thread.provider
        if created_for is not None:
            return self._named(
                created_for, context, f"was created for {created_for!r}", "open the runtime with it, or create another"
            )
        if len(self.providers) == 1:
            return next(iter(self.providers.values()))
        if context.conversation_was_forgotten:
            self._answers.pop(context.thread.id, None)
        name = self._answer(context).name
        if name is not None:
            return self._named(name, context, f"is served by {name!r}", WAY_TO_MOVE)
        if served_by is not None and served_by in self.providers:
            return self.providers[served_by]
        raise ProviderUnavailable(
            f"thread {context.thread.id!r} could be served by {', '.join(self.providers)}:"
            " give RuntimeOptions a choose_provider, or create the thread for a provider"
        )

    def config_of(self, context: ThreadContext, provider: Provider) -> SessionConfig:
        """What the host gives the sessions of the thread.

        Raises:
            ProviderUnavailable: the host's choice failed, or the provider takes no config.
        """
        config = self._answer(context).config
        if not config.is_empty and getattr(provider, "takes_session_config", False) is not True:
            raise ProviderUnavailable(
                f"choose_provider gave a config for thread {context.thread.id!r}, but the provider {provider.name!r}"
                " takes none: its attribute takes_session_config is not True"
            )
        return config

    def _named(self, name: str, context: ThreadContext, why: str, remedy: str) -> Provider:
        if name not in self.providers:
            raise ProviderUnavailable(
                f"thread {context.thread.id!r} {why}, which is not among this runtime's providers:"
                f" {', '.join(self.providers)}; {remedy}"
            )
        return self.providers[name]

    def _answer(self, context: ThreadContext) -> _HostAnswer:
        thread_id = context.thread.id
        if self.choose is None:
            return _HostAnswer(None, NO_CONFIG)
        if thread_id not in self._answers:
            answer = _ask(self.choose, context)
            while len(self._answers) >= _MOST_ANSWERS:
                del self._answers[next(iter(self._answers))]
            self._answers[thread_id] = answer
        return self._answers[thread_id]


def _ask(choose: ChooseProvider, context: ThreadContext) -> _HostAnswer:
    try:
        chosen: object = choose(context.project, context.thread)
    except BaseException as error:  # no coroutine: a cancellation that it raises is not this task's
        if interruption_in(error) is not None:
            raise
        raise ProviderUnavailable(
            f"choose_provider failed for thread {context.thread.id!r}: {describe_error(error)}"
        ) from error
    match chosen:
        case str() as name:
            return _HostAnswer(name, NO_CONFIG)
        case SessionConfig() as config:
            return _HostAnswer(None, config)
        case (str() as name, SessionConfig() as config):
            return _HostAnswer(name, config)
        case _:
            raise ProviderUnavailable(
                f"choose_provider gave no name for thread {context.thread.id!r}, but {type(chosen).__name__}"
            )
