"""What the items of a turn look like on a terminal."""

from __future__ import annotations

from ...handles import Ended, Notice, Plan, Text, Thought, ToolCall, TurnItem
from ..run.terminal import Terminal


def print_item(terminal: Terminal, item: TurnItem) -> None:
    """Print an item, or nothing of what another item says."""
    match item:
        case Text(text=text, is_last=is_last):
            terminal.say(text)
            if is_last:
                terminal.end_line()
        case Thought(text=text):
            terminal.note(f"({text})")
        case ToolCall(title=title, status="started"):
            terminal.note(f"- {title}")
        case ToolCall(title=title, status="failed"):
            terminal.note(f"- {title}: failed")
        case Plan(summary=summary):
            terminal.note(summary)
        case Notice(text=text, is_error=True) | Notice(kind="session.notice", text=text):
            terminal.note(text)
        case Ended(outcome=outcome, error=error) if outcome != "completed":
            terminal.note(f"The turn ended: {error or outcome}")
        case _:
            pass
