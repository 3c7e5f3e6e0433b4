"""What a turn looks like in a terminal: the agent's text on standard output, everything else on standard error."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, Final, Literal, TypeAlias

import anyio

from ....contracts.questions import Question
from ....contracts.values import UNSET, ApprovalDecision
from ...handles import Approval as RequestedApproval
from ...handles import QuestionForm
from ...handles.turn_handle import FormAnswer
from ..command_lines import CommandLines
from ..output import print_line, stderr_console
from .hidden_input import hidden_input
from .question_form import CANCEL, DECLINE, HOW_TO_LEAVE, question_lines, read_answer

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

    async def fill_in(self, summary: str, questions: Sequence[Question]) -> FormAnswer:
        """Ask the agent's questions one after the other. Cancelled, nothing was answered.

        A line of input answers a question, typed or not. An end of input declines. `--approve` has no part in it.
        """
        async with self._asking:
            if not questions:
                return await self._confirm(summary)
            if summary not in (question.text for question in questions):
                self.note(summary)
            self.note(HOW_TO_LEAVE)
            answers: dict[str, Any] = {}
            for number, question in enumerate(questions, start=1):
                answer = await self._ask_question(question, number, len(questions))
                if answer in (DECLINE, CANCEL):
                    return "decline" if answer == DECLINE else "cancel"
                if answer is not UNSET:
                    answers[question.id] = answer
            return answers

    async def fill_in_form(self, form: QuestionForm) -> FormAnswer:
        return await self.fill_in(form.summary, form.questions)

    async def read_prompt(self) -> str | None:
        """The next line that the user types, None at the end of the input. Where nobody types, no mark is printed."""
        if sys.stdin.isatty():
            self.end_line()
            sys.stderr.write("> ")
            sys.stderr.flush()
        line = await self._lines.next_line()
        return None if line is None else line.decode(errors="replace")

    async def _ask_question(self, question: Question, number: int, count: int) -> Any:
        """The answer to a question, UNSET where it is left out, or one of the two commands."""
        for line in question_lines(question, number, count):
            self.note(line)
        while True:
            with hidden_input(_KEYBOARD) if question.secret else nullcontext():
                typed = await self._lines.next_line()
            if typed is None:
                self.note("end of input: declined")
                return DECLINE
            line = typed.decode(errors="replace").removesuffix("\r")
            if line.strip() in (DECLINE, CANCEL):
                return line.strip()
            try:
                return read_answer(question, line)
            except ValueError as error:
                self.note(str(error))

    async def _confirm(self, summary: str) -> FormAnswer:
        while True:
            self.note(f"{summary}? [y]es, [n]o, [c]ancel the turn")
            line = await self._lines.next_line()
            if line is None:
                self.note("end of input: declined")
                return "decline"
            match _ANSWERS.get(line.decode(errors="replace").strip().lower()):
                case "accept" | "acceptForSession":
                    return {}
                case "decline":
                    return "decline"
                case "cancel":
                    return "cancel"

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
