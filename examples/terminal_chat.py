"""A chat on a terminal: each line is a prompt, requests are answered by y or n, an empty line leaves.

    python examples/terminal_chat.py            # with the agent for rehearsals
    python examples/terminal_chat.py codex      # with an agent that `orchestrion agents` lists

The conversation is the thread `chat` of `chat.db`: run the program again, and the agent remembers.
"""

from __future__ import annotations

import sys

import anyio
from anyio.to_thread import run_sync

from orchestrion import (
    Approval,
    ApprovalAnswer,
    Ended,
    Notice,
    Provider,
    RehearsalProvider,
    Text,
    ToolCall,
    TurnItem,
    open_runtime,
    provider_from_catalogue,
)


async def ask(approval: Approval) -> ApprovalAnswer:
    answer = await run_sync(input, f"\n{approval.summary}? [y/n] ", abandon_on_cancel=True)
    return "accept" if answer.strip().lower().startswith("y") else "decline"


def show(item: TurnItem) -> None:
    match item:
        case Text(text=text, is_last=is_last):
            print(text, end="\n" if is_last else "", flush=True)
        case ToolCall(title=title, status="started"):
            print(f"- {title}")
        case Notice(text=text, is_error=True):
            print(f"! {text}")
        case Ended(outcome=outcome, error=error) if outcome != "completed":
            print(f"The turn ended: {error or outcome}")
        case _:
            pass


async def chat(provider: Provider) -> None:
    async with open_runtime("chat.db", providers=[provider]) as runtime:
        thread = await runtime.open_thread(workspace=".", thread_id="chat", title="Chat")
        while prompt := (await run_sync(input, "> ")).strip():
            async with thread.turn(prompt, on_approval=ask) as turn:
                async for item in turn:
                    show(item)


if __name__ == "__main__":
    anyio.run(chat, provider_from_catalogue(sys.argv[1]) if len(sys.argv) > 1 else RehearsalProvider())
