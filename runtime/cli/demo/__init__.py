"""`orchestrion demo`: the whole story in one minute, with a real agent process and a host that is killed."""

from .command import demo

__all__ = ["demo"]
