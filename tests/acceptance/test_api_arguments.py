"""Arguments that name nothing are refused with a typed error before anything is read or written."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest

from orchestrion import InvalidCommand, InvalidRequest, ProjectDelete, Runtime, open_runtime

pytestmark = pytest.mark.anyio

DELETION = ProjectDelete(command_id=cast("Any", "c1"), project_id=cast("Any", "p1"))


async def _first(runtime: Runtime, sequence: int) -> object:
    return await anext(aiter(runtime.subscribe(sequence)))


@pytest.mark.parametrize(
    ("call", "error"),
    [
        pytest.param(lambda runtime: runtime.get_snapshot(detail="all"), InvalidRequest, id="detail"),
        pytest.param(lambda runtime: _first(runtime, -1), InvalidRequest, id="negative sequence"),
        pytest.param(lambda runtime: runtime.get_turn_diff("t1", 0, 2**70), InvalidRequest, id="beyond 64 bits"),
        pytest.param(lambda runtime: runtime.dispatch("project.delete"), InvalidCommand, id="no command"),
        pytest.param(lambda runtime: runtime.dispatch(DELETION, actor="martian"), InvalidCommand, id="actor"),
    ],
)
async def test_argument_that_names_nothing_is_refused(
    tmp_path: Path, call: Callable[[Any], Awaitable[object]], error: type[Exception]
) -> None:
    async with open_runtime(tmp_path / "state.db") as runtime:
        with pytest.raises(error):
            await call(runtime)
        assert runtime.health().head == 0
