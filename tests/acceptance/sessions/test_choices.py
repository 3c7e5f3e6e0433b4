"""Which provider serves a thread: the only one, or the one that the host chooses, once."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrion.contracts.errors import InvalidRequest
from orchestrion.contracts.read_model import ProjectView, ThreadView
from orchestrion.runtime.options import RuntimeOptions
from tests.support.builders import session_stop
from tests.support.stage import activity, error_of, rehearsal, session_of, stage

pytestmark = pytest.mark.anyio


async def test_the_host_chooses_among_several_providers_once_for_each_thread(tmp_path: Path) -> None:
    choices = ["left", "right"]
    chosen_for: list[tuple[str, str]] = []

    def choose(project: ProjectView, thread: ThreadView) -> str:
        chosen_for.append((project.id, thread.id))
        return choices[len(chosen_for) - 1]

    providers = [rehearsal(tmp_path, name="left"), rehearsal(tmp_path, name="right")]
    async with stage(tmp_path, providers=providers, options=RuntimeOptions(choose_provider=choose)) as it:
        await it.open_thread("t2")
        assert session_of(await it.perform("say one")).provider_name == "left"
        assert session_of(await it.perform("say one", thread_id="t2")).provider_name == "right"
        await it.outcome((await it.send(session_stop())).event_id)
        assert session_of(await it.perform("recall")).provider_name == "left"
    assert chosen_for == [("p1", "t1"), ("p1", "t2")]


async def test_a_thread_keeps_its_provider_when_others_come_and_go(tmp_path: Path) -> None:
    left, right = rehearsal(tmp_path, name="left"), rehearsal(tmp_path, name="right")
    async with stage(tmp_path, providers=[left]) as it:
        await it.perform("say one")
    async with stage(tmp_path, providers=[left, right]) as it:
        assert session_of(await it.perform("say two")).provider_name == "left"
    async with stage(tmp_path, providers=[right]) as it:
        failed = await it.outcome((await it.ask("say three")).event_id)
        assert activity("turn.start.failed")(failed)
        assert "'left', which is not among this runtime's providers: right" in error_of(failed)


async def test_several_providers_without_a_choice_fail_with_a_remedy(tmp_path: Path) -> None:
    providers = [rehearsal(tmp_path, name="left"), rehearsal(tmp_path, name="right")]
    async with stage(tmp_path, providers=providers) as it:
        failed = await it.outcome((await it.ask("say never")).event_id)
        assert "give RuntimeOptions a choose_provider" in error_of(failed)


@pytest.mark.parametrize("fault", ["raises", "names nobody"])
async def test_a_choice_that_fails_fails_the_turn_alone(tmp_path: Path, fault: str) -> None:
    def choose(project: ProjectView, thread: ThreadView) -> str:
        if thread.id == "t2":
            return "left"
        if fault == "raises":
            raise KeyError("no such key")
        return "nobody"

    providers = [rehearsal(tmp_path, name="left"), rehearsal(tmp_path, name="right")]
    async with stage(tmp_path, providers=providers, options=RuntimeOptions(choose_provider=choose)) as it:
        failed = await it.outcome((await it.ask("say never")).event_id)
        assert activity("turn.start.failed")(failed)
        assert ("no such key" if fault == "raises" else "'nobody'") in error_of(failed)
        await it.open_thread("t2")
        assert session_of(await it.perform("say fine", thread_id="t2")).status == "ready"


async def test_two_providers_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest):
        async with stage(tmp_path, providers=[rehearsal(tmp_path), rehearsal(tmp_path)]):
            raise AssertionError("opened")


async def test_a_runtime_without_providers_performs_nothing(tmp_path: Path) -> None:
    async with stage(tmp_path, providers=[]) as it:
        turn = await it.ask("say later")
        head = it.runtime.health().head
    async with stage(tmp_path, providers=[]) as it:
        assert it.runtime.health().head == head
    async with stage(tmp_path) as it:
        assert session_of(await it.ended(turn)).status == "ready"
