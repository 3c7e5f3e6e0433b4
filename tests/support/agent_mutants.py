"""Mutants of the guards around sessions whose agents fail, idle or roll back."""

from __future__ import annotations

from typing import Final

from tests.support.mutant import Mutant

_CLOCKS: Final = "tests/acceptance/sessions/test_clocks.py"

AGENT_MUTANTS: Final = (
    Mutant(
        guard="an agent whose command still runs is not idle",
        file="actors/sessions/worker.py",
        old="commands_run=await self._agent.commands_run()",
        new="commands_run=False",
        test=f"{_CLOCKS}::test_the_idle_clock_leaves_alone_an_agent_whose_command_still_runs[asyncio]",
    ),
    Mutant(
        guard="the idle clock looks again before it acts",
        file="actors/sessions/worker.py",
        old="if expired is not None and not self.is_awake:",
        new="if expired is not None:",
        test=f"{_CLOCKS}::test_idle_clock_keeps_a_session_with_a_new_request[asyncio]",
    ),
    Mutant(
        guard="an agent that failed is started again only after a wait",
        file="orchestrion/domain/session/transitions.py",
        old="return _proceed(failed, None, do.Settle(turn, do.TurnNotStarted(failure)), is_backing_off=True)",
        new="return _proceed(failed, None, do.Settle(turn, do.TurnNotStarted(failure)))",
        test="tests/acceptance/sessions/test_failures.py"
        "::test_an_interrupt_ends_the_pause_after_an_agents_failure[asyncio-start]",
    ),
    Mutant(
        guard="Codex is given its sandbox again when it resumes",
        file="actors/providers/codex/handshake.py",
        old='{"threadId": thread_id, **params, "excludeTurns": True}',
        new='{"threadId": thread_id, "cwd": params["cwd"], "excludeTurns": True}',
        test="tests/contract/providers/test_codex.py::test_the_sandbox_is_the_same_after_a_resume[asyncio]",
    ),
    Mutant(
        guard="an ACP agent is given its mode again when it resumes",
        file="actors/providers/acp/connection.py",
        old="if wanted is not None:",
        new="if wanted is not None and is_new:",
        test="tests/contract/providers/test_sdk.py::test_a_resumed_session_has_its_providers_mode_and_model[asyncio]",
    ),
)
