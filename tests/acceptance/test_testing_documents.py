"""The examples of docs/testing.md run, and it lists the rehearsal agent's directives."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Final

import pytest

from orchestrion.actors.providers import rehearsal
from tests.support.marks import ROOT

PAGE: Final = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")


@pytest.mark.spec("E53")
@pytest.mark.parametrize(("name", "passed"), [("test_host.py", 4), ("test_commands.py", 2)])
def test_example_of_a_host_passes(tmp_path: Path, name: str, passed: int) -> None:
    found = re.search(rf"```python\n# {re.escape(name)}\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    (tmp_path / name).write_text(found[1])
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", name],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"{passed} passed" in ran.stdout, ran.stdout


def test_directives_of_the_rehearsal_agent_are_those_of_its_manual() -> None:
    found = re.search(r"```text\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    assert textwrap.indent(found[1], "    ") in (rehearsal.__doc__ or "")
