"""A mutation of one file, and the test that must fail with it."""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class Mutant:
    """`old`, which occurs once in `file`, is replaced by `new`; then `test` must fail."""

    guard: str
    file: str
    old: str
    new: str
    test: str
