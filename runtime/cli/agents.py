"""`orchestrion agents`: which agents are on this machine, and how to get the others."""

from __future__ import annotations

from pathlib import Path

import anyio
import click

from ...actors.providers.catalogue.probe import AgentPresence, probe_agents
from ...actors.providers.catalogue.reading import read_catalogue
from ...contracts.codec import to_json
from .output import print_table, stdout_console, write_json
from .parameters import json_option

_LOGINS = {"found": "found", "none": "needed", "unknown": "not known"}


@click.command()
@click.argument("names", nargs=-1, metavar="[AGENT]...")
@click.option(
    "--catalogue",
    "files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A TOML file with more agents; may be given several times.",
)
@json_option
def agents(names: tuple[str, ...], files: tuple[Path, ...], as_json: bool) -> None:
    """List the agents that can be named: whether each is here, its version, and its login.

    Starts each program to ask its version, for at most 20 seconds. Calls no model. A login is found by its variables
    and files; some agents keep it elsewhere.
    """
    catalogue = read_catalogue(*files)
    entries = [catalogue.find(name) for name in names] or list(catalogue.agents.values())
    found = anyio.run(probe_agents, entries)
    if as_json:
        write_json({"agents": [to_json(one) for one in found]})
    else:
        _print_agents(found)


def _print_agents(found: tuple[AgentPresence, ...]) -> None:
    print_table(
        stdout_console(),
        "Agents",
        ("agent", "title", "version", "program", "login", "to install or log in"),
        ((one.name, one.title, one.version, one.path, _login(one), _next_step(one)) for one in found),
    )


def _login(one: AgentPresence) -> str | None:
    return None if one.path is None else _LOGINS[one.login]


def _next_step(one: AgentPresence) -> str | None:
    if one.path is None:
        return one.install
    if one.fault is not None:
        return one.fault
    return None if one.login == "found" else one.log_in_with
