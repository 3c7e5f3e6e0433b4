"""For every test: both anyio backends, Hypothesis without deadlines, SQLite kept off the event loop, no orphans, and
signals and an environment that do not depend on who started the tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from blockbuster.blockbuster import BlockBusterFunction
from hypothesis import Phase, settings

from tests.support.environment import clean_environment
from tests.support.examples import VARIABLE
from tests.support.orphans import pytest_configure, pytest_sessionfinish, pytest_terminal_summary
from tests.support.signals import restore_signals

__all__ = ["pytest_configure", "pytest_sessionfinish", "pytest_terminal_summary"]

clean_environment()
restore_signals()

# Fixed examples wherever the tests run. `make properties` explores: it sets the number of examples and a seed.
settings.register_profile("orchestrion", deadline=None, print_blob=True, derandomize=VARIABLE not in os.environ)
settings.register_profile(
    "first-failure",
    parent=settings.get_profile("orchestrion"),
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
)
settings.load_profile("orchestrion")

GUARDED = ("contract", "property", "faults")
"""The folders whose asynchronous tests fail when the event loop's thread touches SQLite."""

_CALLS = (
    *(f"sqlite3.Cursor.{method}" for method in ("execute", "executemany", "executescript", "fetchone", "fetchall")),
    *(f"sqlite3.Connection.{method}" for method in ("execute", "executemany", "commit", "rollback", "backup", "close")),
)


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    backend: str = request.param
    return backend


@contextmanager
def sqlite_off_the_loop() -> Iterator[None]:
    """While the block runs, a call of SQLite on a thread with a running asyncio loop is a `BlockingError`."""
    functions = [BlockBusterFunction(None, call).activate() for call in _CALLS]
    try:
        yield
    finally:
        for function in functions:
            function.deactivate()


@pytest.fixture
def blockbuster() -> Iterator[None]:
    """SQLite is not touched on the event loop by anything that the test does."""
    with sqlite_off_the_loop():
        yield


@pytest.fixture(autouse=True)
def _guarded(request: pytest.FixtureRequest) -> None:
    if "anyio_backend" in request.fixturenames and set(GUARDED) & set(request.path.parts):
        request.getfixturevalue("blockbuster")
