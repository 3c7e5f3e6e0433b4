"""The run fails when a test leaves a process behind, and names the test."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from orchestrion.actors.providers.process.guardian import living_processes

ROOT = Path(__file__).parents[2]

IMPATIENT = """
from tests.support import orphans
orphans.ENDED_WITHIN_SECONDS = 0
"""

LEAVES_ONE = """
import subprocess

def test_leaves_one():
    subprocess.run(["setsid", "-f", "sleep", "3600"], check=True)

def test_leaves_none():
    subprocess.run(["true"], check=True)
"""


def test_orphan_in_another_process_session_fails_the_run(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text() + IMPATIENT)
    (tmp_path / "test_leaving.py").write_text(LEAVES_ONE)
    options = ["-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(tmp_path), "-n", "1"]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "2 passed" in ran.stdout
    assert "orphans: 1" in ran.stdout
    (named,) = [line for line in ran.stdout.splitlines() if line.startswith("ORPHAN")]
    assert named.endswith("(sleep 3600) of test_leaving.py::test_leaves_one")
    assert ran.returncode == 1
    living = living_processes()
    assert living is not None
    assert int(named.split()[1]) not in {pid for pid, _, _ in living}
