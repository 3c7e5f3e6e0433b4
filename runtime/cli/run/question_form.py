"""An agent's questions on a terminal: the lines that show them, and the answer of a typed line. No input or output."""

from __future__ import annotations

from typing import Any, Final

from ....contracts.questions import Question
from ....contracts.values import UNSET, JsonObject
from ....domain.answers import answer_fault

DECLINE: Final = "/decline"
CANCEL: Final = "/cancel"
HOW_TO_LEAVE: Final = f"[{DECLINE} to go on without answers, {CANCEL} to end the turn]"

_YES: Final = frozenset({"y", "yes", "true"})
_NO: Final = frozenset({"n", "no", "false"})


def question_lines(question: Question, number: int, count: int) -> list[str]:
    """The question with its options, numbered from 1, and how it is answered."""
    place = f" ({number} of {count})" if count > 1 else ""
    header = "" if question.header in ("", question.text) else f"{question.header}: "
    lines = [f"{header}{question.text}{place}"]
    for position, option in enumerate(question.options, start=1):
        lines.append(f"  {position}) {option.label}" + (f" - {option.description}" if option.description else ""))
    return [*lines, f"  {_hint(question)}"]


def read_answer(question: Question, line: str) -> Any:
    """The answer that a line gives; UNSET where an empty one leaves the question out.

    Raises:
        ValueError: the line is no answer to it. The message does not repeat the line.
    """
    if not line.strip() and not question.secret:
        return _without_a_line(question)
    answer = _read(question, line)
    fault = answer_fault(question, answer)
    if fault is not None:
        raise ValueError(f"That answer {fault}")
    return answer


def _hint(question: Question) -> str:
    count = len(question.options)
    numbers = "the number of an option" if not question.multiple else "numbers of options with commas between them"
    match _type_of(question):
        case _ if question.secret:
            what = "a secret, which is not shown and not stored"
        case _ if count:
            what = f"{numbers}, or other text" if question.free_text else numbers
        case "boolean":
            what = "yes or no"
        case "number" | "integer":
            what = "a number"
        case _:
            what = "text"
    default = _schema(question).get("default")
    left_out = "" if question.required else "; Enter leaves it out"
    if default is not None:
        left_out = f"; Enter takes {_shown(default)}"
    return f"[{what}{left_out}]"


def _without_a_line(question: Question) -> Any:
    default = _schema(question).get("default")
    if default is not None and answer_fault(question, default) is None:
        return default
    if question.required:
        raise ValueError(f"An answer is needed, or {DECLINE}")
    return UNSET


def _read(question: Question, line: str) -> Any:
    if question.secret:
        return line
    text = line.strip()
    if question.multiple:
        return [_choice(question, one.strip()) for one in text.split(",") if one.strip()]
    if question.options:
        return _choice(question, text)
    match _type_of(question):
        case "boolean":
            return True if text.lower() in _YES else False if text.lower() in _NO else text
        case "integer" | "number" as kind:
            return _number(text, kind)
        case _:
            return text


def _choice(question: Question, text: str) -> str:
    """The label that a number or a label in any case names; other text as it is."""
    if text.isdecimal() and 1 <= int(text) <= len(question.options):
        return question.options[int(text) - 1].label
    labels = {option.label.lower(): option.label for option in question.options}
    return labels.get(text.lower(), text)


def _number(text: str, kind: str) -> int | float | str:
    try:
        return int(text) if kind == "integer" or text.lstrip("+-").isdecimal() else float(text)
    except ValueError:
        return text


def _type_of(question: Question) -> str:
    return str(_schema(question).get("type", "string"))


def _schema(question: Question) -> JsonObject:
    return {} if question.schema is UNSET else question.schema


def _shown(default: Any) -> str:
    if isinstance(default, bool):
        return "yes" if default else "no"
    return ", ".join(map(str, default)) if isinstance(default, list | tuple) else str(default)
