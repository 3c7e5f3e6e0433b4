"""The conformance suite runs on an adapter that it does not know, when it is told its case."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SUITE = Path(__file__).with_name("test_conformance.py")
ROOT = Path(__file__).parents[3]


def test_the_suite_runs_on_a_case_that_is_named() -> None:
    case = "tests.support.provider_case:rehearsal_case"
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-n", "0", "-v", SUITE, "-k", "streams_text"],
        cwd=ROOT,
        env={**os.environ, "ORCHESTRION_CASE": case},
        capture_output=True,
        text=True,
        check=False,
    )
    told = [line.split()[0] for line in ran.stdout.splitlines() if line.endswith("%]")]
    test = f"{SUITE.relative_to(ROOT)}::test_a_turn_streams_text_and_completes"
    assert told == [f"{test}[asyncio-{case}]", f"{test}[trio-{case}]"]
    assert ran.returncode == 0
