"""The direction of imports: contracts, domain, persistence, actors, the rest of runtime, the face; none points up.

`migrations` stands beside: it imports Peewee and nothing of ours. Contracts and domain do no I/O, read no clock and
roll no dice, so what could is not imported there.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("runtime", "actors", "persistence", "migrations")
FACE = "orchestrion"
LAYERS = ("runtime.contracts", "runtime.domain", "persistence", "actors", "runtime")
"""From the bottom up. A module belongs to the first that it lies in."""
MIGRATIONS_MAY_IMPORT = {"peewee"}
PURE_MAY_NOT_IMPORT = {
    "anyio",
    "asyncio",
    "datetime",
    "io",
    "logging",
    "os",
    "pathlib",
    "peewee",
    "random",
    "secrets",
    "socket",
    "sqlite3",
    "subprocess",
    "tempfile",
    "threading",
    "time",
    "trio",
    "uuid",
}
PARSES_INSTANTS = "runtime.contracts.values"
"""The one pure module that may import datetime: to parse, never to ask what time it is."""
CLOCKS = {"now", "utcnow", "today"}


def _layer(module: str) -> int | None:
    for rank, layer in enumerate(LAYERS):
        if module == layer or module.startswith(f"{layer}."):
            return rank
    return None


def _is_migration(module: str) -> bool:
    return module.split(".", maxsplit=1)[0] == "migrations"


def _is_pure(module: str) -> bool:
    return _layer(module) in (0, 1)


def _targets(module: str, is_package: bool, tree: ast.AST) -> Iterator[tuple[str, bool]]:
    """What a module imports, by name from the root of its tree; whether relatively."""
    package = module.split(".") if is_package else module.split(".")[:-1]
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from ((alias.name, False) for alias in names)
            case ast.ImportFrom(module=source, names=names, level=0) if source is not None:
                yield source, False
            case ast.ImportFrom(module=source, names=names, level=level):
                base = package[: len(package) - level + 1]
                if source is not None:
                    yield ".".join([*base, source]), True
                else:
                    yield from ((".".join([*base, alias.name]), True) for alias in names)
            case _:
                pass


def breaches(module: str, source: str, *, is_package: bool = False) -> list[str]:
    """Where a module of the four folders imports what it must not."""
    tree = ast.parse(source)
    found: list[str] = []
    for target, is_relative in _targets(module, is_package, tree):
        top = target.split(".")[0]
        if not is_relative and top in (FACE, *FOLDERS):
            found.append(f"{module} imports {target} absolutely")
        elif is_relative:
            found += _breaches_of_direction(module, target)
        elif _is_migration(module) and top not in MIGRATIONS_MAY_IMPORT | sys.stdlib_module_names:
            found.append(f"{module} imports {target}: migrations import Peewee alone")
        elif _is_pure(module) and top in PURE_MAY_NOT_IMPORT and (module, top) != (PARSES_INSTANTS, "datetime"):
            found.append(f"{module} imports {target}: it has to be pure")
    if _is_pure(module):
        found += [
            f"{module} asks a clock: {node.attr}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and node.attr in CLOCKS and _is_datetime(node.value)
        ]
    return found


def _is_datetime(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in {"datetime", "date"}


def _breaches_of_direction(module: str, target: str) -> list[str]:
    own, other = _layer(module), _layer(target)
    if _is_migration(module):
        return [] if _is_migration(target) else [f"{module} imports {target}: migrations import Peewee alone"]
    if _is_migration(target):
        return [f"{module} imports {target}: it has to be pure"] if _is_pure(module) else []
    if own is None or other is None:
        return [f"{module} imports {target}, which is in no layer"]
    return [f"{module} imports {target}, which lies above it"] if other > own else []


def _sources() -> list[Path]:
    return sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


def _module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize("path", _sources(), ids=_module)
def test_a_module_imports_nothing_above_it(path: Path) -> None:
    assert breaches(_module(path), path.read_text(), is_package=path.name == "__init__.py") == []


def test_every_folder_is_read() -> None:
    assert {_module(path).split(".")[0] for path in _sources()} == set(FOLDERS)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("runtime.contracts.ids", "from ..domain import state"),
        ("runtime.contracts.ids", "from ..domain.state import ThreadState"),
        ("runtime.domain.decide", "from ...persistence import models"),
        ("runtime.domain.decide", "from ..host import open_runtime"),
        ("runtime.domain.decide", "from .. import host"),
        ("persistence.models", "from ..actors.dispatcher import Dispatcher"),
        ("persistence.models", "from ..runtime.host import open_runtime"),
        ("persistence.models", "def late():\n    from ..actors import dispatcher"),
        ("actors.dispatcher", "from ..runtime.options import Options"),
        ("actors.dispatcher", "from orchestrion.contracts import ids"),
        ("runtime.host", "import orchestrion"),
        ("runtime.host", "from .. import version"),
        ("migrations.runner", "from ..persistence import models"),
        ("migrations.runner", "import attrs"),
        ("runtime.contracts.values", "import time"),
        ("runtime.contracts.values", "from datetime import datetime\ndatetime.now()"),
        ("runtime.contracts.ids", "from datetime import datetime"),
        ("runtime.contracts.ids", "from ...migrations import runner"),
        ("runtime.domain.decide", "import os.path"),
        ("runtime.domain.decide", "from uuid import uuid4"),
    ],
)
def test_an_import_that_points_up_or_out_is_found(module: str, source: str) -> None:
    assert breaches(module, source)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("runtime.domain.decide", "from ..contracts.ids import ThreadId\nfrom .state import ThreadState\nimport attrs"),
        ("persistence.models", "import peewee\nfrom ..runtime.domain import evolve"),
        ("persistence.database", "from ..migrations import runner"),
        ("actors.dispatcher", "import anyio\nfrom ..persistence import models\nfrom .mailbox import Mailbox"),
        ("runtime.host", "import os\nfrom ..actors.dispatcher import Dispatcher\nfrom .contracts import ids"),
        ("runtime.contracts.values", "from datetime import UTC, datetime\ndatetime.fromisoformat('x')"),
        ("migrations.runner", "import hashlib\nimport peewee\nfrom . import first"),
    ],
)
def test_an_import_that_points_down_is_fine(module: str, source: str) -> None:
    assert breaches(module, source) == []
