"""The secret answers of users on their way from the dispatcher to their agent. They are in memory only.

The log has a marker in the place of each. An answer that is lost here, because its host ended, cannot be delivered: its
user is asked again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

from ...contracts.ids import EventId
from ...contracts.values import JsonObject

MAX_KEPT: Final = 64
"""Responses whose answers wait to be delivered. One more loses the oldest."""


class SecretAnswers:
    """The secret answers of each response that was recorded and not delivered yet, by the id of its event."""

    def __init__(self, *, limit: int = MAX_KEPT) -> None:
        self._limit = limit
        self._kept: OrderedDict[EventId, JsonObject] = OrderedDict()

    def keep(self, withheld: Mapping[EventId, JsonObject]) -> None:
        """Keep what a commit withheld from its events."""
        self._kept.update(withheld)
        while len(self._kept) > self._limit:
            self._kept.popitem(last=False)

    def take(self, response: EventId) -> JsonObject:
        """The secret answers of a response, which are not kept any longer; empty where there are none."""
        return self._kept.pop(response, {})
