"""`make conformance AGENT=gemini`: install an agent of the catalogue, and run the conformance suite on it.

    python -m tests.support.agent_conformance NAME[@VERSION] [pytest options]

Without a version it is the one that the catalogue names as tried; `@latest` is the newest. The agent goes into a
directory of its own below `.venv/catalogue`, beside the one that the tests use otherwise.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from orchestrion.actors.providers.catalogue.entries import AgentEntry
from orchestrion.actors.providers.catalogue.reading import read_catalogue
from orchestrion.contracts.errors import InvalidRequest
from tests.support.catalogue_cases import DIRECTIONS, PREFIXES

OWN_CASES: Final = {
    "codex": "tests.support.codex_case:codex_case",
    "claude": "tests.support.claude_case:claude_case",
    "opencode": "tests.support.opencode_case:opencode_case",
}
_PACKAGES: Final = {"codex": "openai-codex", "claude": "claude-agent-sdk"}
"""What the extras of `orchestrion` bring."""


def case_of(name: str) -> str | None:
    """The `Cases` that directs an agent; None where there is none yet."""
    if name in OWN_CASES:
        return OWN_CASES[name]
    return f"tests.support.catalogue_cases:{name.replace('-', '_')}" if name in DIRECTIONS else None


def install_command(entry: AgentEntry, version: str, prefix: Path) -> list[str]:
    """The command that installs this version into `prefix`."""
    if entry.install.npm is not None:
        package = f"{entry.install.npm}@{version}"
        return ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(prefix), package]
    package = _PACKAGES.get(entry.name, entry.install.pip or "")
    wanted = package if version == "latest" else f"{package}=={version}"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade"]
    return [*pip, "--target", str(prefix), wanted]


def environment_of(entry: AgentEntry, prefix: Path) -> dict[str, str]:
    """The environment in which the suite finds the agent that is in `prefix`, before any other."""
    place = ("PATH", prefix / "node_modules" / ".bin") if entry.install.npm is not None else ("PYTHONPATH", prefix)
    name, first = place
    return {**os.environ, name: os.pathsep.join((str(first), os.environ.get(name, ""))).rstrip(os.pathsep)}


def main(arguments: Sequence[str]) -> int:
    name, _, version = arguments[0].partition("@") if arguments else ("", "", "")
    try:
        entry = read_catalogue().find(name)
    except InvalidRequest as error:
        print(error.fault, file=sys.stderr)
        return 2
    case = case_of(name)
    if case is None or entry.install.shell is not None:
        print(f"nothing directs {name} yet: write a ProviderCase (tests/support/catalogue_cases.py)", file=sys.stderr)
        return 2
    version = version or entry.install.tried or "latest"
    prefix = PREFIXES / f"{name}@{version}"
    prefix.mkdir(parents=True, exist_ok=True)
    subprocess.run(install_command(entry, version, prefix), check=True)
    suite = ["--pyargs", "orchestrion.testing.conformance", "--agent", case, "-p", "tests.support.expected_failures"]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-rxX", *suite, *arguments[1:]], env=environment_of(entry, prefix), check=False
    )
    return ran.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
