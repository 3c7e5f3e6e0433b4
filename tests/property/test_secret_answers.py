"""Whatever a client answers to secret questions, no file of the database has it: neither the file nor its log."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrion.contracts.errors import CommandIdReused, CommandRejected, InvalidCommand
from tests.support import builders as make
from tests.support.core import open_core
from tests.support.examples import DATABASES, examples
from tests.support.raw_files import files_with

SECRETS = st.text(st.characters(categories=("Ll", "Lu", "Nd")), min_size=12, max_size=40).map(lambda text: f"§{text}")
PLACES = st.sampled_from(["pin", "note", "q1", "unknown", "key"])
DECISIONS = st.sampled_from(["accept", "acceptForSession", "decline", "cancel"])
ANSWERS = st.tuples(st.sets(PLACES, max_size=3), DECISIONS, st.sampled_from(["c1", "c2", "c3"]))
FORM = (
    make.question(required=False),
    make.question("pin", options=[], secret=True, schema={"type": "string", "minLength": 4}),
    make.question("note", options=[], secret=True, required=False),
)


def _answers(places: set[str], secret: str) -> dict[str, Any]:
    """The secret at these places: as the answer to a question, or as the name of one that was not asked."""
    return {(secret if place == "key" else place): secret for place in sorted(places)} | {"pin": secret}


async def _answer_all(directory: Path, secret: str, responses: list[tuple[set[str], Any, str]]) -> None:
    async with open_core(directory / "state.db") as core:
        await core.dispatch(make.project_create())
        await core.dispatch(make.thread_create())
        for number, (places, decision, command_id) in enumerate(responses):
            await core.dispatch(make.question_requested(*FORM, request_id=f"r{number}"))
            response = make.approval_respond(
                request_id=f"r{number}",
                decision=decision,
                answers=_answers(places, secret),
                command_id=command_id,
            )
            with suppress(CommandRejected, CommandIdReused, InvalidCommand):
                await core.dispatch(response)
        await core.projected()
        assert files_with(directory, secret) == []
    assert files_with(directory, secret) == []


@pytest.mark.spec("E122")
@settings(max_examples=examples(20, share=DATABASES), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(secret=SECRETS, responses=st.lists(ANSWERS, min_size=1, max_size=6))
def test_no_file_has_a_secret_answer(secret: str, responses: list[tuple[set[str], Any, str]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        anyio.run(_answer_all, Path(directory), secret, responses)
