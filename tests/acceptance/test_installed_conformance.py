"""The conformance suite of an installed wheel, run from a directory of its own by the author of an adapter."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import attrs
import pytest

from tests.support.wheel import build_wheel

CASE = """
from contextlib import contextmanager

import orchestrion
from orchestrion.testing.conformance.rehearsal import RehearsalCase

assert "site-packages" in orchestrion.__file__, "it is the wheel's"


class Mine(RehearsalCase):
    def fail(self, message):
        return "say all is well"


@contextmanager
def cases(directory, workspace):
    yield Mine(directory, resume="none")
"""


@attrs.frozen
class Author:
    """Somebody with the wheel in a virtual environment, and the module `mine` in the current directory."""

    directory: Path

    def run_suite(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        python = self.directory / "environment" / "bin" / "python"
        suite = [str(python), "-m", "pytest", "--pyargs", "orchestrion.testing.conformance", "-p", "no:cacheprovider"]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        return subprocess.run(
            [*suite, "-n", "0", *arguments],
            cwd=self.directory / "adapter",
            env={**environment, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module")
def author(tmp_path_factory: pytest.TempPathFactory) -> Author:
    """The environment has the wheel itself; its dependencies are those of this environment."""
    tmp_path = tmp_path_factory.mktemp("author")
    (tmp_path / "wheel").mkdir()
    wheel = build_wheel(tmp_path / "wheel")
    venv.create(tmp_path / "environment", with_pip=False)
    (packages,) = (tmp_path / "environment" / "lib").glob("python3*/site-packages")
    zipfile.ZipFile(wheel).extractall(packages)
    dependencies = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "dependencies.pth").write_text("\n".join(dependencies))
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "mine.py").write_text(CASE)
    return Author(tmp_path)


@pytest.mark.spec("E54")
def test_installed_suite_runs_on_the_case_that_is_named(author: Author) -> None:
    ran = author.run_suite("--agent", "mine:cases", "-v", "-k", "streams_text")
    told = [line.split()[0].rpartition("::")[2] for line in ran.stdout.splitlines() if line.endswith("%]")]
    name = "test_a_turn_streams_text_and_completes"
    assert told == [f"{name}[mine:cases-asyncio]", f"{name}[mine:cases-trio]"]
    assert re.search(r"^text-streams +2 passed$", ran.stdout, re.MULTILINE)
    assert re.search(r"^turns-forgotten +not run$", ran.stdout, re.MULTILINE)
    assert ran.returncode == 0


@pytest.mark.spec("E54")
def test_failure_shows_the_rule_and_what_was_observed(author: Author) -> None:
    ran = author.run_suite("--agent", "mine:cases", "-k", "failing_turn and asyncio")
    assert ran.returncode == 1
    assert "rule failure-has-cause" in ran.stdout
    assert re.search(r"^failure-has-cause +1 failed$", ran.stdout, re.MULTILINE)
    assert "ends with the outcome `failed` and the agent's words in `error`" in ran.stdout
    assert "TurnCompleted(outcome='completed'" in ran.stdout.partition("Observed: ")[2]


@pytest.mark.spec("E54")
def test_undeclared_capability_skips_with_the_reason(author: Author) -> None:
    ran = author.run_suite("--agent", "mine:cases", "-rs", "-k", "another_process and asyncio")
    assert "rehearsal declares Capabilities(resume=False)" in ran.stdout
    assert ran.returncode == 0


@pytest.mark.spec("E54")
def test_suite_without_an_agent_says_how_to_name_one(author: Author) -> None:
    ran = author.run_suite("-k", "streams_text")
    assert ran.returncode != 0
    assert "--agent package.module:name" in ran.stdout + ran.stderr


@pytest.mark.spec("E54")
def test_case_that_cannot_be_imported_is_named(author: Author) -> None:
    ran = author.run_suite("--agent", "absent:cases", "-k", "streams_text")
    assert ran.returncode != 0
    assert "--agent absent:cases: No module named 'absent'" in ran.stdout + ran.stderr
