"""Real opencode through `AcpProvider`: what its client may choose. Everything else is in the conformance suite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrion.actors.providers.adapter import TurnRequest
from orchestrion.contracts.provider_events import TurnCompleted
from orchestrion.testing.conformance.reading import session
from tests.support.opencode_case import OpencodeCase, opencode_case


@pytest.fixture
def opencode(tmp_path: Path, workspace: Path) -> Iterator[OpencodeCase]:
    with opencode_case(tmp_path, workspace) as case:
        yield case


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["trio"])  # it starts slowly, and the adapter has run on both
async def test_a_session_has_its_providers_mode_and_a_turn_its_own_model(
    opencode: OpencodeCase, workspace: Path
) -> None:
    models = (None, "fake/other-model", None)
    prompts = [opencode.say("hello") for _ in models]
    async with session(opencode.in_mode("plan"), workspace) as read:
        assert read.connection.capabilities.model_switch
        for prompt, model in zip(prompts, models, strict=True):
            await read.connection.start_turn(TurnRequest(text=prompt, model=model))
            assert (await read.until(TurnCompleted)).outcome == "completed"
    bodies = [request["body"] for request in opencode.model.script.requests() if request["body"].get("tools")]
    assert [body["model"] for body in bodies] == ["fake-model", "other-model", "fake-model"]
    assert "Plan mode" in str(bodies[0]["messages"])
