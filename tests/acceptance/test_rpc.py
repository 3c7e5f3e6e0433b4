"""The RPC methods by name, as a transport carries them: JSON in, JSON out, errors as data."""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path
from typing import Any, get_args

import attrs
import pytest

from orchestrion import ClientCommand, InvalidRequest, Runtime, ThreadId, command_json, event_json, open_runtime
from orchestrion.actors.checkpoints.git import CaptureFailed, RestoreRefused
from orchestrion.contracts.commands import Command
from orchestrion.contracts.errors import OrchestrionError
from orchestrion.persistence import event_store
from orchestrion.runtime.rpc import METHODS, error_json
from tests.support import builders as make
from tests.support.core import run_sql, write_log
from tests.support.random_commands import random_log
from tests.support.snapshot_oracle import snapshot_json

pytestmark = pytest.mark.anyio

LOG = random_log(61, 300)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


async def call(runtime: Runtime, method: str, **params: Any) -> Any:
    """The answer after JSON encoding and decoding."""
    answer = await runtime.handle(f"orchestration.{method}", json.loads(json.dumps(params)))
    return json.loads(json.dumps(answer))


async def result(runtime: Runtime, method: str, **params: Any) -> Any:
    answer = await call(runtime, method, **params)
    assert set(answer) == {"result"}, answer
    return answer["result"]


async def error(runtime: Runtime, method: str, **params: Any) -> dict[str, Any]:
    answer = await call(runtime, method, **params)
    assert set(answer) == {"error"}, answer
    assert set(answer["error"]) == {"code", "message", "data"}
    found: dict[str, Any] = answer["error"]
    return found


async def dispatch(runtime: Runtime, command: Command) -> Any:
    return await call(runtime, "dispatchCommand", **command_json(command))


BY_NAME = {
    "dispatch": "orchestration.dispatchCommand",
    "get_snapshot": "orchestration.getSnapshot",
    "get_turn_diff": "orchestration.getTurnDiff",
    "get_attachment": "orchestration.getAttachment",
    "preview_revert": "orchestration.previewRevert",
    "read_events": "orchestration.replayEvents",
}
IN_PROCESS_ONLY = {
    "handle",  # this carries the others
    *("submit", "submit_nowait"),  # the host decides when
    *("replay_events", "stream_snapshot", "subscribe"),  # iterators
    *("wait_until_projected", "rebuild", "health", "import_conversations"),  # for the host alone
    *("open_thread", "turn", "find_turn"),  # handles over dispatch and subscribe
}


@pytest.mark.lesson("L90")
@pytest.mark.spec("R1")
async def test_every_method_of_the_runtime_has_a_name_or_is_in_process_only(path: Path) -> None:
    public = {name for name in dir(Runtime) if not name.startswith("_")}
    assert public == BY_NAME.keys() | IN_PROCESS_ONLY
    assert set(METHODS) == set(BY_NAME.values())
    async with open_runtime(path) as runtime:
        unknown = await error(runtime, "getEverything")
        assert unknown["code"] == "InvalidRequest"
        assert "orchestration.getEverything" in unknown["message"]
        assert all(name in unknown["message"] for name in METHODS)


@pytest.mark.spec("R1", "R19")
@pytest.mark.parametrize(
    ("method", "params", "field"),
    [
        ("getSnapshot", {"threadID": "t1"}, "threadID"),
        ("getSnapshot", {"threadId": 7}, "threadId"),
        ("getSnapshot", {"detail": "everything"}, "detail"),
        ("getTurnDiff", {"threadId": "t1", "fromTurnCount": 0}, "toTurnCount"),
        ("getTurnDiff", {"threadId": "t1", "fromTurnCount": "0", "toTurnCount": 1}, "fromTurnCount"),
        ("getAttachment", {}, "digest"),
        ("getAttachment", {"digest": 7}, "digest"),
        ("getAttachment", {"digest": "sha256:../x"}, "digest"),
        ("previewRevert", {"threadId": "t1"}, "turnCount"),
        ("previewRevert", {"threadId": "t1", "turnCount": -1}, "turnCount"),
        ("replayEvents", {}, "fromSequenceExclusive"),
        ("replayEvents", {"fromSequenceExclusive": -1}, "fromSequenceExclusive"),
        ("replayEvents", {"fromSequenceExclusive": 1.5}, "fromSequenceExclusive"),
        ("replayEvents", {"fromSequenceExclusive": 0, "limit": 0}, "limit"),
        ("replayEvents", {"fromSequenceExclusive": 0, "limit": 10_001}, "limit"),
        ("replayEvents", {"fromSequenceExclusive": 0, "limit": "all"}, "limit"),
        ("replayEvents", {"fromSequenceExclusive": 0, "threadId": 7}, "threadId"),
        ("replayEvents", {"fromSequenceExclusive": 0, "upTo": 7}, "upTo"),
    ],
)
async def test_a_param_at_fault_is_named(path: Path, method: str, params: dict[str, Any], field: str) -> None:
    async with open_runtime(path) as runtime:
        refused = await error(runtime, method, **params)
        assert refused["code"] == "InvalidRequest"
        assert field in refused["message"]


@pytest.mark.spec("R2", "R4", "R12")
async def test_get_snapshot_whole_in_summary_and_of_one_thread(path: Path) -> None:
    await write_log(path, LOG)
    expected = snapshot_json(LOG)
    thread = expected["threads"][0]
    async with open_runtime(path) as runtime:
        assert await result(runtime, "getSnapshot") == expected
        assert await result(runtime, "getSnapshot", detail="full") == expected
        assert await result(runtime, "getSnapshot", detail="summary") == snapshot_json(LOG, detail="summary")
        alone = await result(runtime, "getSnapshot", threadId=thread["id"])
        assert (alone["threads"], alone["snapshotSequence"]) == ([thread], len(LOG))
        missing = await error(runtime, "getSnapshot", threadId="nobody")
        assert missing["code"] == "NotFound"
        assert "nobody" in missing["message"]


@pytest.mark.spec("R20", "R19")
async def test_dispatch_command_answers_with_a_sequence_or_a_reason(path: Path) -> None:
    async with open_runtime(path) as runtime:
        create = make.project_create(command_id="c1")
        assert await dispatch(runtime, create) == {"result": {"sequence": 1}}
        assert await dispatch(runtime, create) == {"result": {"sequence": 1}}
        rejected = await dispatch(runtime, make.thread_create(project_id="none", command_id="c2"))
        assert rejected["error"]["code"] == "CommandRejected"
        assert rejected["error"]["data"]["commandId"] == "c2"
        assert "'none'" in rejected["error"]["data"]["reason"]
        reused = await dispatch(runtime, make.project_create(title="Other", command_id="c1"))
        assert reused["error"]["code"] == "CommandIdReused"
        assert reused["error"]["data"] == {"commandId": "c1"}
        wrong = command_json(make.project_create(command_id="c3")) | {"title": ""}
        invalid = await error(runtime, "dispatchCommand", **wrong)
        assert invalid["code"] == "InvalidCommand"
        assert (invalid["data"]["field"], invalid["data"]["commandId"]) == ("title", "c3")
        assert runtime.health().head == 1


@pytest.mark.spec("R20", "R21", "E19")
async def test_internal_commands_and_provider_ids_do_not_come_through_this_door(path: Path) -> None:
    async with open_runtime(path) as runtime:
        await dispatch(runtime, make.project_create())
        await dispatch(runtime, make.thread_create())
        internal = await dispatch(runtime, make.session_set("running"))
        assert internal["error"]["code"] == "InvalidCommand"
        assert internal["error"]["data"]["field"] == "type"
        smuggled = command_json(make.session_stop()) | {"providerSessionId": "s1"}
        refused = await error(runtime, "dispatchCommand", **smuggled)
        assert refused["code"] == "InvalidCommand"
        assert "providerSessionId" in refused["message"]
        assert runtime.health().head == 2


@pytest.mark.spec("R21")
def test_no_client_command_has_a_field_for_a_providers_id() -> None:
    for command in get_args(ClientCommand):
        assert [field.name for field in attrs.fields(command) if field.name.startswith("provider_")] == []


@pytest.mark.spec("R13", "R14", "R19")
async def test_get_turn_diff(path: Path) -> None:
    async with open_runtime(path):
        pass
    await run_sql(path, "INSERT INTO checkpoint_diff_blobs VALUES ('t1', 0, 1, 'the diff', ?)", make.at(0))
    async with open_runtime(path) as runtime:
        asked = {"threadId": "t1", "fromTurnCount": 0, "toTurnCount": 1}
        assert await result(runtime, "getTurnDiff", **asked) == {**asked, "diff": "the diff"}
        assert (await result(runtime, "getTurnDiff", **asked | {"toTurnCount": 0}))["diff"] == ""
        missing = await error(runtime, "getTurnDiff", **asked | {"toTurnCount": 2})
        assert missing["code"] == "TurnDiffNotFound"
        assert missing["data"] == asked | {"toTurnCount": 2}
        for wrong in ({"fromTurnCount": 2}, {"fromTurnCount": -1}):
            assert (await error(runtime, "getTurnDiff", **asked | wrong))["code"] == "InvalidRequest"


@pytest.mark.spec("R19")
async def test_preview_revert_gives_the_reason_if_impossible(path: Path) -> None:
    async with open_runtime(path) as runtime:
        missing = await error(runtime, "previewRevert", threadId="nobody", turnCount=0)
        assert (missing["code"], "nobody" in missing["message"]) == ("NotFound", True)
        with pytest.raises(InvalidRequest):
            await runtime.preview_revert(ThreadId("t1"), -1)


@pytest.mark.lesson("L90")
@pytest.mark.spec("R19")
@pytest.mark.parametrize("failure", [RestoreRefused(Path("/w"), "x"), CaptureFailed("diff", Path("/w"), "x")])
def test_fields_of_every_error_are_json(failure: OrchestrionError) -> None:
    assert json.loads(json.dumps(error_json(failure)))["data"]["directory"] == "/w"


@pytest.mark.spec("R15", "R16", "R18")
async def test_replay_gives_every_later_event_and_raw_undecodable_ones(path: Path) -> None:
    await write_log(path, LOG)
    await run_sql(path, "UPDATE orchestration_events SET event_type = 'thread.sung' WHERE sequence = 290")
    async with open_runtime(path) as runtime:
        answer = await result(runtime, "replayEvents", fromSequenceExclusive=0)
        assert (set(answer), answer["hasMore"]) == ({"events", "hasMore"}, False)
        events = answer["events"]
        assert [event["sequence"] for event in events] == list(range(1, 301))
        assert events[:289] == [json.loads(json.dumps(event_json(event))) for event in LOG[:289]]
        assert (events[289]["eventType"], events[289]["known"]) == ("thread.sung", False)
        last = {"events": events[299:], "hasMore": False}
        assert await result(runtime, "replayEvents", fromSequenceExclusive=299) == last
        nothing = {"events": [], "hasMore": False}
        assert await result(runtime, "replayEvents", fromSequenceExclusive=300) == nothing
        ahead = await error(runtime, "replayEvents", fromSequenceExclusive=301)
        assert ahead["code"] == "SequenceAheadOfLog"
        assert ahead["data"] == {"sequence": 301, "head": 300}


async def _pages(runtime: Runtime, **params: Any) -> list[list[int]]:
    """The sequences of all pages, each requested after the last event of the previous one."""
    pages: list[list[int]] = []
    after, has_more = 0, True
    while has_more:
        page = await result(runtime, "replayEvents", fromSequenceExclusive=after, **params)
        pages.append([event["sequence"] for event in page["events"]])
        after, has_more = pages[-1][-1], page["hasMore"]
    return pages


@pytest.mark.lesson("L47")
@pytest.mark.spec("R15")
async def test_replay_events_answers_in_pages_of_one_thread_or_of_all(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write_log(path, LOG)
    thread = next(event.stream_id for event in LOG if event.aggregate_kind == "thread")
    own = [event.sequence for event in LOG if (event.aggregate_kind, event.stream_id) == ("thread", thread)]
    async with open_runtime(path) as runtime:
        assert [len(page) for page in await _pages(runtime, limit=100)] == [100, 100, 100]
        assert list(chain(*await _pages(runtime, limit=7, threadId=thread))) == own
        assert [len(page) for page in await _pages(runtime, limit=len(own), threadId=thread)] == [len(own)]
        monkeypatch.setattr(event_store, "PAGE_BYTES", 1)
        assert await _pages(runtime, threadId=thread) == [[sequence] for sequence in own]
        unknown = await error(runtime, "replayEvents", fromSequenceExclusive=0, threadId="nobody")
        assert (unknown["code"], "nobody" in unknown["message"]) == ("NotFound", True)


@pytest.mark.lesson("L47")
async def test_an_answer_of_replay_events_has_a_bound_when_none_is_asked_for(path: Path) -> None:
    await write_log(path, random_log(62, 1_200))
    async with open_runtime(path) as runtime:
        assert [len(page) for page in await _pages(runtime)] == [1000, 200]
