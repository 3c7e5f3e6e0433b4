"""Applied to every test: both anyio backends, Hypothesis without deadlines, no SQLite on the event loop, no orphan
processes, and signals and an environment that do not depend on the caller.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from blockbuster.blockbuster import BlockBusterFunction
from hypothesis import Phase, settings

from tests.support.environment import clean_environment
from tests.support.examples import VARIABLE
from tests.support.frames import check_frames, forget_connections
from tests.support.orphans import pytest_configure, pytest_sessionfinish, pytest_terminal_summary
from tests.support.signals import restore_signals

__all__ = ["pytest_configure", "pytest_sessionfinish", "pytest_terminal_summary"]

clean_environment()
restore_signals()

# Fixed examples in every run. `make properties` explores: it sets the number of examples and a seed.
settings.register_profile("orchestrion", deadline=None, print_blob=True, derandomize=VARIABLE not in os.environ)
settings.register_profile(
    "first-failure",
    parent=settings.get_profile("orchestrion"),
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
)
settings.load_profile("orchestrion")

GUARDED = ("contract", "property", "faults")
"""The folders whose asynchronous tests fail if SQLite is used on the event loop's thread."""

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
    """Raise `BlockingError` for every call of SQLite on a thread with a running asyncio loop while the block runs."""
    functions = [BlockBusterFunction(None, call).activate() for call in _CALLS]
    try:
        yield
    finally:
        for function in functions:
            function.deactivate()


@pytest.fixture
def blockbuster() -> Iterator[None]:
    """Assert that nothing in the test uses SQLite on the event loop."""
    with sqlite_off_the_loop():
        yield


@pytest.fixture(autouse=True)
def _frames_are_counted() -> Iterator[None]:
    """Each message of an agent leads to an event or is counted, in every test with an agent."""
    forget_connections()
    yield
    check_frames()


@pytest.fixture(autouse=True)
def _guarded(request: pytest.FixtureRequest) -> None:
    if "anyio_backend" in request.fixturenames and set(GUARDED) & set(request.path.parts):
        request.getfixturevalue("blockbuster")
