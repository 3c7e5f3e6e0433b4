"""The messages of agents in tests: each led to an event or was counted, in every connection that a test opened."""

from __future__ import annotations

from typing import Any

from orchestrion.actors.providers.process.connection import ProcessConnection

__all__ = ["check_frames", "forget_connections"]

_opened: list[ProcessConnection] = []
_init = ProcessConnection.__init__


def _recorded_init(self: ProcessConnection, *args: Any, **kwargs: Any) -> None:
    _init(self, *args, **kwargs)
    _opened.append(self)


ProcessConnection.__init__ = _recorded_init  # type: ignore[method-assign]  # every connection of a test is checked


def forget_connections() -> None:
    """Begin anew, before a test."""
    _opened.clear()


def check_frames() -> None:
    """Fail if a connection dropped a message without a count."""
    dropped = {str(connection.process): connection.ledger for connection in _opened if connection.ledger.unaccounted}
    _opened.clear()
    assert not dropped, f"messages of an agent led to nothing and were not counted: {dropped}"
