"""Log records carry what they are about as fields, so that programs need not parse their messages."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.support.marks import ROOT

FOLDERS = ("actors", "persistence", "runtime")
TELLING = {"warning", "error", "exception", "critical", "log"}


def calls_of(path: Path) -> Iterator[ast.Call]:
    """The calls of a module's logger that report a problem."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="_logger"), attr=attr)) if attr in TELLING:
                yield node
            case _:
                pass


def test_every_record_of_something_wrong_carries_ids() -> None:
    paths = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    found = {(path, call.lineno): call for path in paths for call in calls_of(path)}
    assert len(found) > 20
    bare = [
        f"{path.relative_to(ROOT)}:{line}"
        for (path, line), call in found.items()
        if not any(word.arg == "extra" for word in call.keywords)
    ]
    assert bare == []
