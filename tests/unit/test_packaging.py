"""The wheel has every package, one top-level name, and modules have one identity."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import orchestrion
from tests.support.wheel import build_wheel

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("actors", "migrations", "persistence", "runtime")


def test_wheel_has_every_module(tmp_path: Path) -> None:
    names = zipfile.ZipFile(build_wheel(tmp_path)).namelist()
    packed = {name for name in names if name.endswith(".py")}
    assert "orchestrion/actors/providers/catalogue.toml" in names
    linked = {f"orchestrion/{path.relative_to(ROOT)}" for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")}
    own = {str(path.relative_to(ROOT)) for path in _own(ROOT / "orchestrion")}
    assert packed == linked | own


def _own(directory: Path) -> list[Path]:
    """The modules in the package's own folder, not behind a link."""
    return [
        module
        for entry in directory.iterdir()
        if not entry.is_symlink()
        for module in (entry.rglob("*.py") if entry.is_dir() else [entry])
        if module.suffix == ".py"
    ]


def test_links_in_the_face_are_relative_and_lead_to_the_folders() -> None:
    for folder in FOLDERS:
        link = ROOT / "orchestrion" / folder
        assert link.is_symlink()
        assert link.readlink() == Path("..") / folder


def test_pyright_includes_each_link() -> None:
    """Pyright follows no link below a folder that it includes, and would miss most references."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        included = tomllib.load(file)["tool"]["pyright"]["include"]
    assert {f"orchestrion/{folder}" for folder in FOLDERS} <= set(included)


@pytest.mark.parametrize("folder", FOLDERS)
def test_bare_import_of_a_folder_names_the_right_import(folder: str) -> None:
    bare = [sys.executable, "-c", f"import {folder}"]
    ran = subprocess.run(bare, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert ran.stderr.splitlines()[-1] == f"ImportError: import orchestrion.{folder}, not {folder}"


def test_import_is_light_and_names_are_loaded_at_their_first_use() -> None:
    code = (
        "import sys, orchestrion\n"
        "heavy = {'anyio', 'peewee', 'cattrs', 'pytest', 'orchestrion.runtime.host'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "orchestrion.open_runtime\n"
        "assert 'orchestrion.runtime.host' in sys.modules\n"
        "assert not {'runtime', 'actors', 'persistence', 'migrations', 'pytest'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT / "tests")


@pytest.mark.spec("E53")
def test_helpers_for_tests_of_hosts_do_not_need_pytest() -> None:
    code = "import sys, orchestrion.testing; assert 'pytest' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT / "tests")


def test_stub_declares_exactly_the_exported_names() -> None:
    stub = (ROOT / "orchestrion" / "__init__.pyi").read_text(encoding="utf-8")
    declared = {line.rsplit(" as ", 1)[1] for line in stub.splitlines() if " as " in line}
    assert declared == set(orchestrion.__all__)
    assert all(getattr(orchestrion, name) is not None for name in orchestrion.__all__)
