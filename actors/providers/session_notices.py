"""Notices of a session that more than one adapter reports."""

from __future__ import annotations

from typing import Final

from ...contracts.provider_events import SessionNotice
from .redaction import plain

__all__ = ["failed_server"]

_MAX_SUMMARY_BYTES: Final = 1024


def failed_server(name: str, error: str) -> SessionNotice:
    """An MCP server does not work; the session goes on without its tools."""
    said = f"The MCP server {name} does not work: {error or 'the agent did not say why'}"
    summary = plain(said, max_bytes=_MAX_SUMMARY_BYTES)
    return SessionNotice(kind="session.notice", summary=summary, detail={"mcpServer": name})
