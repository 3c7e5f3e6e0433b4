"""What a turn looks like in a terminal: the agent's text on standard output, everything else on standard error."""

from __future__ import annotations

import sys
from typing import Final, Literal, TypeAlias

import anyio

from ....contracts.values import ApprovalDecision
from ...handles import Approval as RequestedApproval
from ..command_lines import CommandLines
from ..output import print_line, stderr_console

Approval: TypeAlias = Literal["ask", "always", "never"]

_ANSWERS: Final[dict[str, ApprovalDecision]] = {
    "y": "accept",
    "yes": "accept",
    "a": "acceptForSession",
    "always": "acceptForSession",
    "n": "decline",
    "no": "decline",
    "c": "cancel",
    "cancel": "cancel",
}
_KEYBOARD: Final = 0


class Terminal:
    """Prints a turn and asks for decisions. An end of input declines."""

    def __init__(self, approval: Approval) -> None:
        self._approval = approval
        self._console = stderr_console()
        self._lines = CommandLines(_KEYBOARD)
        self._at_line_start = True
        self._asking = anyio.Lock()

    def say(self, text: str) -> None:
        """Continue the agent's text, flushed. Control characters of an agent do not reach the terminal."""
        shown = "".join(one for one in text if one.isprintable() or one in "\n\t")
        if shown:
            sys.stdout.write(shown)
            sys.stdout.flush()
            self._at_line_start = shown.endswith("\n")

    def end_line(self) -> None:
        if not self._at_line_start:
            self.say("\n")

    def note(self, text: str) -> None:
        self.end_line()
        print_line(self._console, text)

    async def decide(self, question: str) -> ApprovalDecision:
        """Ask until the answer is one, or decide by `--approve`. Cancelled, nothing was decided."""
        if self._approval == "always":
            self.note(f"{question}: accepted")
            return "accept"
        if self._approval == "never":
            self.note(f"{question}: declined")
            return "decline"
        async with self._asking:
            return await self._ask(question)

    async def decide_request(self, approval: RequestedApproval) -> ApprovalDecision:
        return await self.decide(approval.summary)

    async def read_prompt(self) -> str | None:
        """The next line that the user types, None at the end of the input. Where nobody types, no mark is printed."""
        if sys.stdin.isatty():
            self.end_line()
            sys.stderr.write("> ")
            sys.stderr.flush()
        line = await self._lines.next_line()
        return None if line is None else line.decode(errors="replace")

    async def _ask(self, question: str) -> ApprovalDecision:
        while True:
            self.note(f"{question}? [y]es, [a]lways, [n]o, [c]ancel the turn")
            line = await self._lines.next_line()
            if line is None:
                self.note("end of input: declined")
                return "decline"
            decision = _ANSWERS.get(line.decode(errors="replace").strip().lower())
            if decision is not None:
                return decision
