"""A mutation of one file, and the test that has to notice."""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class Mutant:
    """`old`, which stands once in `file`, becomes `new`; then `test` has to fail."""

    guard: str
    file: str
    old: str
    new: str
    test: str
