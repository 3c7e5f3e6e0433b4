"""Two hosts and one database: the second gets an error that names the owner, readers work, and a killed owner owns
nothing.
"""

from __future__ import annotations

import json
import signal
import socket
from pathlib import Path

import pytest

from tests.support.command_line import LiveCommand, answers_of, done, lines_of, orchestrion, project_create, snapshot_of


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


def test_a_second_host_is_refused_until_the_first_is_killed(database: Path) -> None:
    with LiveCommand("dispatch", database) as first:
        first.ask(project_create(1))
        owner = json.loads(done("health", database, "--json"))["owner"]
        assert (owner["pid"], owner["host"]) == (first.process.pid, socket.gethostname())
        link = database.with_name("link.db")
        link.symlink_to(database)
        for path in (database, link):
            refused = orchestrion("dispatch", path, input=lines_of([project_create(2)]))
            assert (refused.returncode, refused.stdout) == (1, "")
            owned = f"{database} is in use by process {owner['pid']} on {owner['host']} since {owner['since']}: stop it"
            assert owned in refused.stderr
            assert snapshot_of(path)["snapshotSequence"] == 1
        assert first.ask(project_create(2))["sequence"] == 2
        assert snapshot_of(database)["snapshotSequence"] == 2
        first.signal(signal.SIGKILL)
    assert Path(f"{database}.lock").exists()
    assert json.loads(done("health", database, "--json"))["owner"] is None
    (second,) = answers_of(done("dispatch", link, input=lines_of([project_create(3)])))
    assert second["sequence"] == 3
    assert "Nothing found: 3 events" in done("verify", database)
