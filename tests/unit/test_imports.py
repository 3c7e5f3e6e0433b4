"""The direction of imports: contracts, domain, persistence, actors, runtime, testing and the face; none points up.

Inside `actors/` the rooms have an order too, and so have the rooms of `actors/providers/`: what all rooms share stands
in `actors/` itself, and what all providers share in `actors/providers/` itself. `migrations` stands beside: it imports
Peewee and nothing of ours. Contracts and domain do no I/O, read no clock and draw no random numbers, so what could is
not imported there. Modules are named without `orchestrion.`.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
FOLDERS: Final = ("orchestrion", "runtime", "actors", "persistence", "migrations")
ROOMS: Final = (
    ("contracts",),
    ("domain",),
    ("persistence",),
    ("actors",),
    ("actors.log", "actors.providers"),
    ("actors.providers.process",),
    ("actors.providers.jsonrpc", "actors.providers.rehearsal"),
    ("actors.providers.acp", "actors.providers.codex", "actors.providers.claude", "actors.providers.in_process"),
    ("actors.providers.catalogue",),
    ("actors.projecting", "actors.checkpoints.git"),
    ("actors.checkpoints",),
    ("actors.sessions",),
    ("runtime",),
    ("runtime.cli", "testing"),
)
"""From the bottom up. A module belongs to the longest name that it is in. Rooms in one row do not import each other."""
MIGRATIONS_MAY_IMPORT: Final = {"peewee"}
PURE_MAY_NOT_IMPORT: Final = {
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
PARSES_INSTANTS: Final = "contracts.values"
"""The one pure module that may import datetime: to parse, never to ask what time it is."""
FOR_CLIENTS: Final = ("contracts.system_mint", "contracts.plain_values")
"""They make what clients leave out, and convert what clients write. Deciders are given time and ids as data."""
CLOCKS: Final = {"now", "utcnow", "today"}

_RANKS: Final = {room: rank for rank, rooms in enumerate(ROOMS) for room in rooms}


def _room(module: str) -> str | None:
    """The room of a module; None for the face and for what is no module of ours."""
    parts = module.split(".")
    return next((room for end in range(len(parts), 0, -1) if (room := ".".join(parts[:end])) in _RANKS), None)


def _is_migration(module: str) -> bool:
    return module.split(".", maxsplit=1)[0] == "migrations"


def _is_pure(module: str) -> bool:
    return _room(module) in ("contracts", "domain")


def _targets(module: str, is_package: bool, tree: ast.AST) -> Iterator[tuple[str, bool]]:
    """What a module imports, by name without `orchestrion.`; whether relatively."""
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
    """Where a module imports what it must not."""
    tree = ast.parse(source)
    found: list[str] = []
    for target, is_relative in _targets(module, is_package, tree):
        top = target.split(".")[0]
        if not is_relative and top in FOLDERS:
            found.append(f"{module} imports {target} absolutely")
        elif is_relative:
            found += _breaches_of_direction(module, target)
        elif _is_migration(module) and top not in MIGRATIONS_MAY_IMPORT | sys.stdlib_module_names:
            found.append(f"{module} imports {target}: migrations import Peewee alone")
        elif module in FOR_CLIENTS or (module, top) == (PARSES_INSTANTS, "datetime"):
            continue
        elif _is_pure(module) and top in PURE_MAY_NOT_IMPORT:
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
    if _is_migration(module):
        return [] if _is_migration(target) else [f"{module} imports {target}: migrations import Peewee alone"]
    if _is_migration(target):
        return [f"{module} imports {target}: it has to be pure"] if _is_pure(module) else []
    own, other = _room(module), _room(target)
    if own is None or other is None:
        return [f"{module} imports {target}, which is in no room"]
    if own == other or _RANKS[other] < _RANKS[own]:
        return []
    return [f"{module} imports {target}, whose room is not below its own"]


def _sources() -> list[Path]:
    """Every module in a room. The face imports what it likes, and names it in strings."""
    found = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
    return sorted(path for path in found if path.parent != ROOT / "orchestrion" and not _is_linked(path))


def _is_linked(path: Path) -> bool:
    return any(parent.is_symlink() for parent in path.parents)


def _module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    without_face = parts[1:] if parts[0] == "orchestrion" else parts
    return ".".join(without_face[:-1] if without_face[-1] == "__init__" else without_face)


@pytest.mark.parametrize("path", _sources(), ids=_module)
def test_module_imports_only_rooms_below(path: Path) -> None:
    assert breaches(_module(path), path.read_text(), is_package=path.name == "__init__.py") == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    modules = {_module(path): path for path in _sources()}
    imported = {
        module: {
            target
            for target, _ in _targets(module, path.name == "__init__.py", ast.parse(path.read_text()))
            if target in modules and target != module
        }
        for module, path in modules.items()
    }
    assert list(TopologicalSorter(imported).static_order()), "a CycleError names the circle"


def test_every_room_is_read() -> None:
    read = {_room(_module(path)) for path in _sources()}
    assert read == {*_RANKS, None}, "None: the migrations"


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("contracts.ids", "from ..domain import state"),
        ("contracts.ids", "from ..domain.state import ThreadState"),
        ("domain.decide", "from ..persistence import models"),
        ("domain.decide", "from ..runtime.host import open_runtime"),
        ("domain.decide", "from ..runtime import host"),
        ("persistence.models", "from ..actors.log.dispatcher import Dispatcher"),
        ("persistence.models", "from ..runtime.host import open_runtime"),
        ("persistence.models", "def late():\n    from ..actors.log import dispatcher"),
        ("actors.shields", "from .log.dispatcher import Dispatcher"),
        ("actors.log.dispatcher", "from ...runtime.options import Options"),
        ("actors.log.dispatcher", "from orchestrion.contracts import ids"),
        ("actors.log.dispatcher", "from ..projecting.projector import Projector"),
        ("actors.log.dispatcher", "from ..providers.adapter import Provider"),
        ("actors.checkpoints.reverter", "from ..sessions.worker import ThreadWorker"),
        ("actors.providers.adapter", "from .process.agent_process import AgentProcess"),
        ("actors.providers.acp.provider", "from ..codex.provider import CodexProvider"),
        ("runtime.host", "import orchestrion"),
        ("runtime.host", "from .. import version"),
        ("runtime.host", "from .cli.app import app"),
        ("runtime.host", "from ..testing.processes import processes_of_test"),
        ("migrations.runner", "from ..persistence import models"),
        ("migrations.runner", "import attrs"),
        ("contracts.values", "import time"),
        ("contracts.values", "from datetime import datetime\ndatetime.now()"),
        ("contracts.ids", "from datetime import datetime"),
        ("contracts.ids", "from ..migrations import runner"),
        ("domain.decide", "import os.path"),
        ("domain.decide", "from uuid import uuid4"),
    ],
)
def test_import_that_points_up_or_out_is_found(module: str, source: str) -> None:
    assert breaches(module, source)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("domain.decide", "from ..contracts.ids import ThreadId\nfrom .state import ThreadState\nimport attrs"),
        ("persistence.models", "import peewee\nfrom ..domain import evolve"),
        ("persistence.database", "from ..migrations import runner"),
        ("actors.log.dispatcher", "import anyio\nfrom ...persistence import models\nfrom .mailbox import Mailbox"),
        ("actors.sessions.worker", "from ..checkpoints.reverter import Reverter\nfrom ..shields import shield"),
        ("runtime.host", "import os\nfrom ..actors.log.dispatcher import Dispatcher\nfrom ..contracts import ids"),
        ("contracts.values", "from datetime import UTC, datetime\ndatetime.fromisoformat('x')"),
        ("migrations.runner", "import hashlib\nimport peewee\nfrom . import first"),
    ],
)
def test_import_that_points_down_is_fine(module: str, source: str) -> None:
    assert breaches(module, source) == []
