"""A runtime for one test: a temporary database, a clock that the test moves, counted ids, the rehearsal agent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import attrs

from ..actors.providers.acp.rehearsal import RehearsalProvider
from ..actors.providers.adapter import Provider
from ..contracts.new_values import minting_from
from ..runtime.host import open_runtime
from ..runtime.options import RuntimeOptions
from ..runtime.runtime import Runtime
from .counting_mint import CountingMint

__all__ = ["TemporaryRuntime", "temporary_runtime"]

_END_GRACE_SECONDS = 0.2


@attrs.frozen(kw_only=True)
class TemporaryRuntime:
    """An open runtime and what belongs to it. `clock.advance(seconds)` moves its time.

    `workspace` is a directory without a repository. If the directory was given, it may be opened again after the block,
    with the same `clock`: ids go on.
    """

    runtime: Runtime
    clock: CountingMint
    workspace: Path
    database: Path


@asynccontextmanager
async def temporary_runtime(
    directory: Path | None = None,
    *,
    providers: Sequence[Provider] | None = None,
    options: RuntimeOptions | None = None,
    clock: CountingMint | None = None,
) -> AsyncIterator[TemporaryRuntime]:
    """Open a runtime on a database in `directory`, by default in one that is removed afterwards.

    Its provider is the rehearsal agent, unless `providers` are given; with an empty sequence it takes commands only.
    Instants and ids come from one `CountingMint`, also those that the block makes with `new_command_id()`, `now()` and
    thread handles, whatever the mint of `options` is. What one task does is therefore the same in each run; the order
    of ids between tasks is not.

    Raises:
        ValueError: the database was opened before, and its clock is not passed: ids would repeat.
    """
    if directory is None:
        with TemporaryDirectory(prefix="orchestrion-", ignore_cleanup_errors=True) as made:
            async with temporary_runtime(Path(made), providers=providers, options=options, clock=clock) as it:
                yield it
        return
    workspace, database = directory / "workspace", directory / "state.db"
    if clock is None and database.exists():
        raise ValueError(f"{database} was opened before: pass clock=, the clock of that runtime")
    clock = clock or CountingMint()
    workspace.mkdir(exist_ok=True)
    agents = (
        [RehearsalProvider(state=directory / "agent", end_grace_seconds=_END_GRACE_SECONDS)]
        if providers is None
        else providers
    )
    opened = attrs.evolve(options or RuntimeOptions(), mint=clock)
    with minting_from(clock):
        async with open_runtime(database, providers=agents, options=opened) as runtime:
            yield TemporaryRuntime(runtime=runtime, clock=clock, workspace=workspace, database=database)
