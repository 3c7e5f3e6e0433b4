"""Accounts for each message of one agent process: nothing that an agent sends is dropped without a count."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import attrs

__all__ = ["FrameLedger"]


@attrs.define(eq=False)
class FrameLedger:
    """Counts of messages. Each one that was `received` is counted once more, when it was handled.

    `effective`: it led to an event, an answer or a request. `ignored`: the conversation counted it by its kind
    (`ignored_frames.py`). `malformed`: it was not a message. `failed`: its handling was cut off with the connection.
    Replies to requests of this side are not counted.
    """

    received: int = 0
    effective: int = 0
    ignored: int = 0
    malformed: int = 0
    failed: int = 0
    effects: int = 0
    """How often a message led to something; `count` compares it before and after."""

    @property
    def unaccounted(self) -> int:
        """How many messages led to nothing and were not counted: 0 in an adapter without a fault."""
        return self.received - self.effective - self.ignored - self.malformed - self.failed

    def note_effect(self) -> None:
        """Note that the message that is being handled led to an event, an answer or a request."""
        self.effects += 1

    @contextmanager
    def count(self, ignored_total: Callable[[], int]) -> Iterator[None]:
        """Around the handling of a message. `ignored_total` is the number of messages that were counted by kind."""
        self.received += 1
        effects, ignored = self.effects, ignored_total()
        try:
            yield
        except BaseException:
            self.failed += 1
            raise
        if ignored_total() > ignored:
            self.ignored += 1
        elif self.effects > effects:
            self.effective += 1
