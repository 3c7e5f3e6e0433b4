"""A thread that was created for a provider is served by it; one without a model has the project's."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrion.actors.providers.adapter import Provider
from orchestrion.contracts.values import UNSET, Unset
from orchestrion.runtime.options import RuntimeOptions
from tests.support.builders import project_meta_update, session_stop, thread_create
from tests.support.inside_provider import InsideProvider
from tests.support.stage import activity, error_of, session_of, stage

pytestmark = pytest.mark.anyio


def _two() -> list[Provider]:
    return [InsideProvider("left"), InsideProvider("right")]


@pytest.mark.spec("E45")
async def test_thread_is_served_by_the_provider_it_was_created_for(tmp_path: Path) -> None:
    options = RuntimeOptions(choose_provider=lambda _project, _thread: "left")
    async with stage(tmp_path, providers=_two(), options=options) as it:
        await it.runtime.dispatch(thread_create("t2", provider="right"))
        assert (await it.thread("t2")).provider == "right"
        assert session_of(await it.perform("go", thread_id="t2")).provider_name == "right"
        assert session_of(await it.perform("go")).provider_name == "left"
        assert (await it.thread()).provider == "left"


@pytest.mark.spec("E45")
async def test_the_history_names_the_provider_of_a_thread(tmp_path: Path) -> None:
    async with stage(tmp_path, providers=_two()) as it:
        await it.runtime.dispatch(thread_create("t2", provider="right"))
        thread = await it.thread("t2")
        assert not isinstance(thread.activities, Unset)
        assert [(one.kind, one.payload, one.turn_id) for one in thread.activities] == [
            ("thread.provider", {"name": "right"}, None)
        ]
        assert (await it.thread()).provider is None


@pytest.mark.spec("E45")
async def test_provider_that_the_host_lacks_fails_the_turn_with_the_names(tmp_path: Path) -> None:
    async with stage(tmp_path, providers=_two()) as it:
        await it.runtime.dispatch(thread_create("t2", provider="middle"))
        failed = await it.outcome((await it.ask("go", thread_id="t2")).event_id)
        assert activity("turn.start.failed")(failed)
        assert "'middle', which is not among this runtime's providers: left, right" in error_of(failed)


@pytest.mark.spec("E45")
async def test_thread_that_forgot_its_conversation_may_change_its_provider(tmp_path: Path) -> None:
    options = RuntimeOptions(choose_provider=lambda _project, _thread: "left")
    async with stage(tmp_path, providers=_two(), options=options) as it:
        await it.runtime.dispatch(thread_create("t2", provider="right"))
        await it.perform("go", thread_id="t2")
        stop = await it.send(session_stop("t2", forget_conversation=True))
        await it.outcome(stop.event_id)
        assert session_of(await it.perform("go", thread_id="t2")).provider_name == "left"


@pytest.mark.spec("E46")
async def test_thread_without_a_model_has_the_projects(tmp_path: Path) -> None:
    provider = InsideProvider()
    async with stage(tmp_path, providers=[provider]) as it:
        await it.runtime.dispatch(thread_create("t2", model=UNSET))
        assert (await it.thread("t2")).model is None
        await it.perform("go", thread_id="t2")
        await it.runtime.dispatch(project_meta_update(default_model="of the project"))
        await it.perform("go", thread_id="t2")
        await it.ended(await it.ask("go", thread_id="t2", model="default"))
        assert [turn.model for turn in provider.turns] == [None, "of the project", None]
