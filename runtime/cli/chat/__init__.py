"""`orchestrion chat`: a conversation with an agent on a terminal."""

from .command import chat

__all__ = ["chat"]
