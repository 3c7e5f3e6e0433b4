"""What pytest loads by its entry point wherever Orchestrion is installed: the option of the conformance suite.

It is not in the suite's conftest.py: pytest finds the options of a conftest.py by a path, not by a package's name after
`--pyargs`. It imports next to nothing, since it is loaded in every run of an environment.
"""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("orchestrion.testing")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("orchestrion").addoption(
        "--agent",
        action="append",
        default=[],
        metavar="MODULE:NAME",
        help="an agent for --pyargs orchestrion.testing.conformance, such as my_adapter.case:cases; may be repeated",
    )
