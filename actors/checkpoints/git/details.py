"""What a capture keeps beside its tree and what it skipped, so that a revert can do right by what no tree has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import attrs

from .exclude_rules import ExcludeRules
from .file_modes import FileModes


@attrs.frozen(kw_only=True)
class CaptureDetails:
    """The permissions of what was captured, and the rules that ignored the rest.

    A capture of a version that kept neither has no modes, and None for the rules.
    """

    modes: FileModes = attrs.field(factory=FileModes)
    rules: ExcludeRules | None = None

    def lines(self) -> str:
        """The lines of a commit's text that keep them."""
        return self.modes.lines() + ("" if self.rules is None else self.rules.lines())

    @classmethod
    def read(cls, lines: Sequence[str]) -> Self:
        """What `lines` wrote."""
        return cls(modes=FileModes.read(lines), rules=ExcludeRules.read(lines))

    def moved(self, old_prefix: bytes, new_prefix: bytes) -> Self:
        """The details of the same files below another prefix. Rules belong to their directories: they are left out."""
        if old_prefix == new_prefix:
            return self
        return attrs.evolve(self, modes=self.modes.moved(old_prefix, new_prefix), rules=None)
