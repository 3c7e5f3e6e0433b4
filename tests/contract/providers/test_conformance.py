"""The conformance suite, `orchestrion/testing/conformance/`, on the agents of `conftest.py`."""

from __future__ import annotations

import pytest

from orchestrion.testing.conformance import scenarios

pytestmark = pytest.mark.anyio

globals().update(scenarios())  # pytest collects what a module holds
