"""A turn's model is its own, else the thread's, else the project's; `default` means the agent's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrion.actors.providers.adapter import Capabilities
from orchestrion.contracts.events import ThreadActivityAppended
from orchestrion.contracts.values import Unset
from tests.support.builders import thread_create, thread_meta_update
from tests.support.inside_provider import InsideProvider
from tests.support.stage import Stage, stage

pytestmark = [pytest.mark.anyio, pytest.mark.lesson("L36")]


async def models(it: Stage, provider: InsideProvider, *named: str | None, thread_id: str = "t1") -> list[str | None]:
    """The models that the agent receives for turns that name these."""
    before = len(provider.turns)
    for model in named:
        turn = await it.ask("go", thread_id=thread_id, **({} if model is None else {"model": model}))
        await it.ended(turn)
    return [turn.model for turn in provider.turns[before:]]


async def test_turn_has_its_own_model_else_the_threads(tmp_path: Path) -> None:
    provider = InsideProvider()
    async with stage(tmp_path, providers=[provider]) as it:
        assert await models(it, provider, None, "own", "default", None) == ["model-1", "own", None, "model-1"]
        await it.send(thread_meta_update(model="model-2"))
        assert await models(it, provider, None) == ["model-2"]
        await it.send(thread_meta_update(model="default"))
        assert await models(it, provider, None) == [None]


async def test_models_of_threads_are_their_own(tmp_path: Path) -> None:
    provider = InsideProvider()
    async with stage(tmp_path, providers=[provider]) as it:
        await it.runtime.dispatch(thread_create("t2", model="other"))
        assert await models(it, provider, None, thread_id="t2") == ["other"]
        assert await models(it, provider, None) == ["model-1"]


async def test_agent_without_models_uses_its_own_and_reports_it_once(tmp_path: Path) -> None:
    provider = InsideProvider(capabilities=Capabilities(resume=True))
    async with stage(tmp_path, providers=[provider]) as it:
        assert await models(it, provider, None, None, "named") == [None, None, "named"]
        thread = await it.thread()
        assert not isinstance(thread.activities, Unset)
        named = [one.payload["model"] for one in thread.activities if one.kind == "session.notice"]
        assert named == ["model-1"]
        assert any(isinstance(event.payload, ThreadActivityAppended) for event in await it.log())
