"""The wheel has every package, one top-level name, and modules have one identity."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import orchestrion

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("actors", "migrations", "persistence", "runtime")


def test_every_package_is_listed() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]
    on_disk = {
        "orchestrion." + ".".join(init.parent.relative_to(ROOT).parts)
        for folder in FOLDERS
        for init in (ROOT / folder).rglob("__init__.py")
    }
    assert set(listed) == on_disk | {"orchestrion"}


def test_links_in_the_face_are_relative_and_lead_to_the_folders() -> None:
    for folder in FOLDERS:
        link = ROOT / "orchestrion" / folder
        assert link.is_symlink()
        assert link.readlink() == Path("..") / folder


def test_import_is_light_and_names_are_loaded_at_their_first_use() -> None:
    code = (
        "import sys, orchestrion\n"
        "heavy = {'anyio', 'peewee', 'cattrs', 'orchestrion.runtime.host'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "orchestrion.open_runtime\n"
        "assert 'orchestrion.runtime.host' in sys.modules\n"
        "assert not {'runtime', 'actors', 'persistence', 'migrations'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT / "tests")


def test_stub_declares_exactly_the_exported_names() -> None:
    stub = (ROOT / "orchestrion" / "__init__.pyi").read_text(encoding="utf-8")
    declared = {line.rsplit(" as ", 1)[1] for line in stub.splitlines() if " as " in line}
    assert declared == set(orchestrion.__all__)
    assert all(getattr(orchestrion, name) is not None for name in orchestrion.__all__)
