"""The command: opens the database and the thread, and reads prompts until the end of the input."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import cast, get_args

import click

from ....actors.providers.adapter import Provider
from ...host import open_runtime
from ..agent_parameter import AgentChoice, AgentParameter
from ..places import database_option
from ..run.terminal import Approval, Terminal
from ..signals import run_until_signal
from .dialogue import Dialogue


@click.command()
@database_option
@click.option(
    "--agent",
    type=AgentParameter(),
    required=True,
    help="A name that `orchestrion agents` lists, rehearsal, or acp:COMMAND.",
)
@click.option(
    "--workspace",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Where the agent works. Default: the thread's workspace; for a new thread, the current directory.",
)
@click.option("--thread", "thread_id", metavar="ID", help="Continue this thread, or create it with this id.")
@click.option(
    "--approve",
    type=click.Choice(get_args(Approval)),
    default="ask",
    help="How to answer the agent's permission requests: ask on the terminal (default), always allow, or never.",
)
@click.option("--mode", help="What the agent may do without asking, as for `orchestrion run`.")
@click.option("--model", help="The model. /model changes it.")
def chat(
    *,
    database: Path,
    agent: AgentChoice,
    workspace: Path | None,
    thread_id: str | None,
    approve: str,
    mode: str | None,
    model: str | None,
) -> None:
    """Talk with an agent: each line is a prompt, /help lists the commands.

    Ctrl-C interrupts a turn, and leaves where none runs; so does the end of the input (Ctrl-D). The thread is kept:
    continue it with --thread.
    """
    logging.getLogger("orchestrion").setLevel(logging.ERROR)  # the terminal shows the thread's history
    database.expanduser().parent.mkdir(parents=True, exist_ok=True)
    dialogue = Dialogue(Terminal(cast("Approval", approve)), workspace=workspace, thread_id=thread_id, model=model)
    run_until_signal(partial(_talk, dialogue, database, agent.provider(mode)), on_signal=dialogue.take_signal)


async def _talk(dialogue: Dialogue, database: Path, provider: Provider) -> None:
    async with open_runtime(database, providers=[provider]) as runtime:
        await dialogue.talk(runtime)
