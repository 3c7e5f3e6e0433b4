"""The foundations of the tests: their environment, their prepared processes, their numbers of examples."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.support.environment import clean_environment
from tests.support.examples import DATABASES, PROCESSES, VARIABLE, examples
from tests.support.prepared import run_prepared


def test_settings_of_the_users_environment_are_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "PYTHONPATH") if name in os.environ}
    for name in ("GIT_DIR", "GIT_AUTHOR_NAME", "LC_ALL", "PYTHONDONTWRITEBYTECODE", "PYTHONWARNINGS", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, "of the runner")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "of the runner")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = os.umask(0o077)
    try:
        clean_environment()
    finally:
        umask = os.umask(before)
    assert umask == 0o022
    assert [name for name, value in os.environ.items() if value == "of the runner"] == []
    assert os.environ["GIT_CONFIG_GLOBAL"] == os.devnull
    assert paths.items() <= os.environ.items()
    assert not sys.dont_write_bytecode


@pytest.mark.parametrize("arguments", [["--version"], ["sing"], ["dispatch", "/dev/null/state.db"], ["dispatch"]])
def test_prepared_command_answers_as_one_that_is_started(arguments: list[str]) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    started = subprocess.run(
        [sys.executable, "-m", "orchestrion", *arguments], capture_output=True, check=False, env=environment, input=b""
    )
    prepared = run_prepared(arguments, input=b"x" * 1_000_000, environment=environment, timeout=240)
    assert prepared.returncode == started.returncode
    assert (prepared.stdout, prepared.stderr) == (started.stdout, started.stderr)


def test_each_property_takes_its_share_of_the_examples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert [examples(7), examples(7, share=DATABASES), examples(7, share=PROCESSES)] == [7, 7, 7]
    monkeypatch.setenv(VARIABLE, "2000")
    assert [examples(7), examples(7, share=DATABASES), examples(7, share=PROCESSES)] == [2000, 1000, 40]
    monkeypatch.setenv(VARIABLE, "1")
    assert examples(7, share=PROCESSES) == 1
