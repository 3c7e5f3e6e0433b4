"""The history of a thread next to a hostile client, and everything that is visible of it afterwards."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import orjson

from orchestrion.contracts.codec import to_json
from orchestrion.contracts.event_codec import event_json
from orchestrion.contracts.events import PersistedEvent, ThreadReverted
from orchestrion.contracts.ids import ThreadId
from orchestrion.contracts.values import Instant
from tests.support.builders import approval_respond, checkpoint_revert, project_create, thread_create, turn_start
from tests.support.hostile.agent import PlainProvider
from tests.support.hostile.client import OWN_PROJECT, OWN_THREAD, HostileClient, Move
from tests.support.stage import Condition, Stage, activity, payload, request_of, stage

THREAD: Final = "victim"

ROUNDS: Final = 4
"""Moves of the hostile client come before each step of the thread."""

_MINTED: Final = re.compile(r"[0-9a-v]{24}")
_IDENTITY: Final = re.compile(r"/db\.[0-9a-f]+/")
_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


async def play(directory: Path, rounds: Sequence[Sequence[Move]]) -> dict[str, Any]:
    """Three turns, one of which asks for permission, a restart, and a revert; before each, moves of a hostile client.

    Returns the thread's events and rows, what its agent received, its files, and the errors in `health` about it.
    Minted ids are numbered by their first appearance; instants and the identity of the database are left out.
    """
    provider = PlainProvider()
    errors: list[str] = []
    hostile_workspace = directory / "elsewhere"
    hostile_workspace.mkdir()
    async with stage(directory, providers=[provider]) as it:
        await it.runtime.dispatch(project_create(OWN_PROJECT, workspace_root=str(hostile_workspace)))
        await it.runtime.dispatch(thread_create(OWN_THREAD, project_id=OWN_PROJECT))
        await it.runtime.dispatch(thread_create(THREAD, command_id=_private("thread")))
        client = HostileClient(it.runtime)
        await _turn(it, "write one")
        await client.perform(rounds[0])
        await _turn(it, "write two")
        await client.perform(rounds[1])
        asked = await _ask(it, "ask then write three")
        request = await _until(it, activity("approval.requested"), after=asked.sequence)
        await client.perform(rounds[2])
        await it.send(approval_respond(THREAD, request_of(request), command_id=_private("respond")))
        await _until(it, activity("checkpoint.captured"), after=request.sequence)
        errors += _errors(it)
    async with stage(directory, providers=[provider]) as it:
        await HostileClient(it.runtime).perform(rounds[3])
        await _turn(it, "write four")
        revert = await it.send(checkpoint_revert(THREAD, turn_count=1, command_id=_private("revert")))
        await _until(it, payload(ThreadReverted), after=revert.sequence)
        await _turn(it, "write five")
        errors += _errors(it)
        seen = {
            "events": [_seen(event_json(event)) for event in await it.log() if event.stream_id == THREAD],
            "thread": to_json(await it.thread(THREAD)),
            "received": provider.received[ThreadId(THREAD)],
            "files": {path.name: path.read_text() for path in sorted(it.workspace.iterdir())},
            "errors": errors,
        }
    return _canonical(seen)


async def _turn(it: Stage, script: str) -> None:
    asked = await _ask(it, script)
    await _until(it, activity("checkpoint.captured"), after=asked.sequence)


async def _ask(it: Stage, script: str) -> PersistedEvent:
    return await it.send(
        turn_start(THREAD, _private(f"message {script}"), text=script, command_id=_private(f"turn {script}"))
    )


async def _until(it: Stage, condition: Condition, *, after: int) -> PersistedEvent:
    return await it.until(lambda event: event.stream_id == THREAD and condition(event), after=after)


def _private(what: str) -> str:
    """An id as a careful client chooses it: it cannot be guessed from another one."""
    return hashlib.sha256(what.encode()).hexdigest()


def _errors(it: Stage) -> list[str]:
    return [f"{error.actor}: {error.error}" for error in it.runtime.health().last_errors if THREAD in error.actor]


def _seen(event: dict[str, Any]) -> dict[str, Any]:
    """An event without the fields that depend on other streams and other runs."""
    del event["sequence"]
    event["metadata"].pop("commandFingerprint", None)
    return event


def _canonical(seen: dict[str, Any]) -> dict[str, Any]:
    numbers: dict[str, str] = {}
    text = orjson.dumps(seen, option=orjson.OPT_INDENT_2).decode()
    text = _MINTED.sub(lambda found: numbers.setdefault(found[0], f"minted-{len(numbers) + 1}"), text)
    text = _IDENTITY.sub("/db/", text)
    canonical: dict[str, Any] = orjson.loads(_INSTANT.sub(Instant("then"), text))
    return canonical
