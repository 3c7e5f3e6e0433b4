import asyncio

from orchestrion import (
    Approval,
    ApprovalAnswer,
    Ended,
    RehearsalProvider,
    Text,
    Thought,
    ToolCall,
    TurnItem,
    open_runtime,
)

PROMPT = """think The notes have no greeting yet.
write notes.txt Good morning!
say The notes begin with a greeting now."""  # a script for this agent; others take any text


async def ask(approval: Approval) -> ApprovalAnswer:
    print(f"? {approval.summary}: accepted")
    return "accept"


def show(item: TurnItem) -> None:
    match item:
        case Text(text=text):
            print(text, end="")
        case Thought(text=text):
            print(f"({text})")
        case ToolCall(title=title, status=status):
            print(f"\n- {title}: {status}")
        case Ended(outcome=outcome):
            print(f"\n{outcome}")


async def main() -> None:
    async with open_runtime("state.db", providers=[RehearsalProvider()]) as runtime:
        thread = await runtime.open_thread(workspace=".", title="Greeting")
        async with thread.turn(PROMPT, on_approval=ask) as turn:
            async for item in turn:
                show(item)
        print(await turn.diff())


asyncio.run(main())
