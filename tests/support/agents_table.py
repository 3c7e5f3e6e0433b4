"""The agents of the catalogue as Markdown: `python -m tests.support.agents_table`.

With `--write` the table is put between the markers of docs/agents.md.
"""

from __future__ import annotations

import sys
from typing import Final

from orchestrion.actors.providers.catalogue.entries import (
    AgentEntry,
    AsksInMode,
    Quirk,
    ScenarioFails,
    SharedDaemon,
    SlowStart,
)
from orchestrion.actors.providers.catalogue.reading import read_catalogue
from tests.support.marks import ROOT

PAGE: Final = ROOT / "docs" / "agents.md"
BEGIN: Final = "<!-- begin: python -m tests.support.agents_table --write -->"
END: Final = "<!-- end -->"
_PROTOCOLS: Final = {"acp": "ACP", "codex": "app-server", "claude": "Agent SDK"}


def table() -> str:
    """One line per agent, then one per quirk."""
    agents = read_catalogue().agents.values()
    lines = ["| `--agent` | agent | protocol | install | log in | tried |", "|---|---|---|---|---|---|"]
    lines += [_line(agent) for agent in agents]
    quirks = [f"- `{agent.name}` {_words(quirk)}. {quirk.reason}" for agent in agents for quirk in agent.quirks]
    return "\n".join([*lines, "", *quirks])


def text_between_markers(text: str) -> str:
    return text.split(f"{BEGIN}\n", 1)[1].split(f"\n{END}", 1)[0]


def _words(quirk: Quirk) -> str:
    match quirk:
        case SharedDaemon():
            return f"shares processes: {', '.join(f'`{one}`' for one in quirk.programs)}"
        case SlowStart():
            return f"may take {quirk.seconds:g} s to start"
        case AsksInMode():
            return f"asks in its mode `{quirk.mode}`"
        case ScenarioFails():
            return f"fails {', '.join(f'`{one}`' for one in quirk.scenarios)}"


def _line(agent: AgentEntry) -> str:
    command = agent.install.command.replace("|", "\\|")
    cells = (
        f"`{agent.name}`",
        f"[{agent.title}]({agent.website})",
        _PROTOCOLS[agent.protocol],
        f"`{command}`",
        agent.login.command,
        agent.install.tried or "not run",
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    if "--write" not in sys.argv[1:]:
        print(table())
        return
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(f"{BEGIN}\n")
    _, _, after = rest.partition(f"\n{END}")
    PAGE.write_text(f"{before}{BEGIN}\n{table()}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
