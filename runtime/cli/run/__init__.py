"""`orchestrion run`: one turn from a terminal."""

from .command import run

__all__ = ["run"]
