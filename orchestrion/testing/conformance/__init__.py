"""The conformance suite: every scenario that an adapter passes, on real sessions of its agent.

    python -m pytest --pyargs orchestrion.testing.conformance --agent my_adapter.case:cases

`my_adapter.case:cases` is a `Cases` (`case.py`); `rehearsal.py` is an example. A scenario is marked with the rule that
it proves (`rules.py`). It is skipped, with the reason, where the adapter does not declare what it needs, or its case
does not define a prompt. New scenarios go into a `test_*.py` beside this file.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

from .case import Cases, ModelFailure, ProviderCase, late_program

__all__ = ["Cases", "ModelFailure", "ProviderCase", "late_program", "scenarios"]


def scenarios() -> dict[str, Callable[..., Any]]:
    """Every scenario by its name, for a test module that runs the suite with fixtures of its own."""
    found: dict[str, Callable[..., Any]] = {}
    for name, scenario in _scenarios():
        assert name not in found, f"two scenarios are named {name}"
        found[name] = scenario
    return found


def _scenarios() -> Iterator[tuple[str, Callable[..., Any]]]:
    for module in pkgutil.iter_modules(__path__):
        if module.name.startswith("test_"):
            names = vars(import_module(f"{__name__}.{module.name}"))
            yield from ((name, one) for name, one in names.items() if name.startswith("test_"))
