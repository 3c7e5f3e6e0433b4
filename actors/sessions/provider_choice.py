"""Which provider serves a thread.

The provider of its conversation serves it on. A thread without a conversation is served by the provider that it was
created for, else by the only one, else by the one that the host chooses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import attrs

from ...contracts.errors import ProviderUnavailable
from ...contracts.read_model import ProjectView, ThreadView
from ..detached_task import interruption_in
from ..providers.adapter import Provider
from ..providers.provider_calls import describe_error
from .context import ThreadContext
from .conversation_loss import WAY_TO_MOVE

__all__ = ["ChooseProvider", "ProviderChoice"]

ChooseProvider: TypeAlias = Callable[[ProjectView, ThreadView], str]


@attrs.frozen(kw_only=True)
class ProviderChoice:
    """The providers of a runtime by their names, and how its host chooses among them."""

    providers: Mapping[str, Provider]
    choose: ChooseProvider | None = None

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
        if self.choose is not None:
            name = _chosen(self.choose, context)
            return self._named(name, context, f"is served by {name!r}", WAY_TO_MOVE)
        if served_by is not None and served_by in self.providers:
            return self.providers[served_by]
        raise ProviderUnavailable(
            f"thread {context.thread.id!r} could be served by {', '.join(self.providers)}:"
            " give RuntimeOptions a choose_provider, or create the thread for a provider"
        )

    def _named(self, name: str, context: ThreadContext, why: str, remedy: str) -> Provider:
        if name not in self.providers:
            raise ProviderUnavailable(
                f"thread {context.thread.id!r} {why}, which is not among this runtime's providers:"
                f" {', '.join(self.providers)}; {remedy}"
            )
        return self.providers[name]


def _chosen(choose: ChooseProvider, context: ThreadContext) -> str:
    try:
        name: object = choose(context.project, context.thread)
    except BaseException as error:  # no coroutine: a cancellation that it raises is not this task's
        if interruption_in(error) is not None:
            raise
        raise ProviderUnavailable(
            f"choose_provider failed for thread {context.thread.id!r}: {describe_error(error)}"
        ) from error
    if not isinstance(name, str):
        raise ProviderUnavailable(
            f"choose_provider gave no name for thread {context.thread.id!r}, but {type(name).__name__}"
        )
    return name
