"""The names that a host imports, and the examples in README, which run as printed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import anyio
import pytest

import orchestrion
from orchestrion import (
    CommandRejected,
    DispatchResult,
    OrchestrionError,
    ProjectCreate,
    Snapshot,
    ThreadCreate,
    ThreadTurnStart,
    UserMessage,
    open_runtime,
    parse_command,
    to_json,
)
from orchestrion.contracts import errors
from orchestrion.contracts.events import EVENT_PAYLOADS
from tests.support import builders as make

NOW = make.at(0)


def test_every_name_is_there_sorted_and_typed() -> None:
    assert orchestrion.__all__ == sorted(set(orchestrion.__all__))
    assert set(orchestrion.__all__) <= set(dir(orchestrion))
    for name in orchestrion.__all__:
        assert getattr(orchestrion, name) is not None
    stub = Path(orchestrion.__file__).with_suffix(".pyi").read_text(encoding="utf-8")
    for name in orchestrion.__all__:
        assert f" {name} as {name}\n" in stub or f"import {name}\n" in stub or f"{name} = " in stub, name


def test_every_error_and_every_event_payload_is_exported() -> None:
    assert set(errors.__all__) <= set(orchestrion.__all__)
    assert {payload.__name__ for payload in EVENT_PAYLOADS} <= set(orchestrion.__all__)
    for name in errors.__all__:
        assert issubclass(getattr(errors, name), OrchestrionError)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nothing_like_it"):
        _ = orchestrion.nothing_like_it  # type: ignore[attr-defined]  # the test asks for an unknown name


def test_importing_the_package_loads_neither_database_nor_event_loop() -> None:
    script = (
        "import sys, orchestrion; print(*sorted({'peewee', 'anyio', 'cattrs', 'trio', 'asyncio'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.anyio
async def test_a_host_writes_reads_follows_and_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    turn = ThreadTurnStart(
        command_id="c3",
        thread_id="t1",
        created_at=NOW,
        message=UserMessage(message_id="m1", text="Add a greeting to the notes."),
    )
    async with open_runtime(path) as runtime:
        await runtime.dispatch(make.project_create(command_id="c1"))
        await runtime.dispatch(make.thread_create(command_id="c2"))
        assert await runtime.dispatch(turn) == DispatchResult(sequence=4, duplicate=False)
        snapshot = await runtime.get_snapshot()
        assert isinstance(snapshot, Snapshot)
        assert snapshot.snapshot_sequence == 4
        async with runtime.subscribe(from_sequence_exclusive=snapshot.snapshot_sequence) as events:
            await runtime.dispatch(make.thread_meta_update(title="Renamed"))
            with anyio.fail_after(180):
                event = await anext(events)
            assert (event.sequence, event.event_type) == (5, "thread.meta-updated")
        with pytest.raises(CommandRejected, match="'t1'"):
            await runtime.dispatch(make.thread_create(command_id="c9"))
    async with open_runtime(str(path)) as runtime:
        assert await runtime.dispatch(turn) == DispatchResult(sequence=4, duplicate=True)
        assert [thread.title for thread in (await runtime.get_snapshot()).threads] == ["Renamed"]


@pytest.mark.anyio
async def test_commands_are_submitted_in_order_and_answered_later(tmp_path: Path) -> None:
    async with open_runtime(tmp_path / "state.db") as runtime:
        first = await runtime.submit(make.project_create())
        second = await runtime.submit(make.thread_create())
        assert (await second.result()).sequence == 2
        assert (await first.result()).sequence == 1


def test_wire_form_and_python_form_are_one_command() -> None:
    wire = {
        "type": "project.create",
        "commandId": "c1",
        "projectId": "p1",
        "title": "Notes",
        "workspaceRoot": "/srv/notes",
        "createdAt": NOW,
    }
    command = parse_command(wire)
    assert isinstance(command, ProjectCreate)
    assert orchestrion.command_json(command) == wire
    assert to_json(command) == {name: value for name, value in wire.items() if name != "type"}
    assert ThreadCreate in orchestrion.ClientCommand.__args__
