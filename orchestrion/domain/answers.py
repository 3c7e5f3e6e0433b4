"""The answers to an agent's questions: whether they fit what was asked, and which of them are secret. Pure.

No sentence of this module repeats an answer, or a name that was not asked for: rejections are stored, and a client may
have put a secret there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, Final

import attrs

from ..contracts.commands import Command, ThreadApprovalRespond
from ..contracts.events import EventPayload, ThreadApprovalResponseRequested
from ..contracts.questions import SECRET_ANSWER, UPDATED_INPUT, Question
from ..contracts.values import UNSET, Answers, JsonObject, Unset
from .approvals import ApprovalDetails, accepts

_EXPECTED: Final = {
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
}
_MAX_NAMED: Final = 8


def answers_breach(asked: ApprovalDetails | None, command: ThreadApprovalRespond) -> str | None:
    """Why these answers, or their absence, cannot go with the decision; None where they can."""
    answers = command.answers
    if not accepts(command.decision):
        return None if answers is UNSET else f"the decision {command.decision!r} takes no answers"
    if asked is None:
        return None if answers is UNSET else "what it asks is not known, so that answers cannot be checked"
    if asked.asks_questions:
        return _form_breach(asked.questions, {} if answers is UNSET else answers)
    return None if answers is UNSET else _edit_breach(asked, answers)


def withheld_answers(asked: ApprovalDetails | None, answers: Answers) -> JsonObject:
    """The answers to secret questions, which are not stored."""
    questions = () if asked is None else asked.questions
    secret = {str(question.id) for question in questions if question.secret}
    return {name: answer for name, answer in answers.items() if name in secret}


def without(answers: Answers, withheld: Collection[str]) -> Answers:
    """The answers as they are stored."""
    return Answers({name: SECRET_ANSWER if name in withheld else answer for name, answer in answers.items()})


def has_secrets(answers: Answers | Unset) -> bool:
    """Whether stored answers lack some."""
    return answers is not UNSET and SECRET_ANSWER in answers.values()


def stored_like(command: Command, event: EventPayload) -> Command:
    """A repeated command, without the answers that the event of the first one withholds."""
    if not isinstance(command, ThreadApprovalRespond) or not isinstance(event, ThreadApprovalResponseRequested):
        return command
    if command.answers is UNSET or event.answers is UNSET:
        return command
    withheld = [name for name, answer in event.answers.items() if answer == SECRET_ANSWER]
    return attrs.evolve(command, answers=without(command.answers, withheld))


def answer_fault(question: Question, answer: Any) -> str | None:
    """Why a value cannot be the answer to a question, without the value; None where it can."""
    schema = {} if question.schema is UNSET else question.schema
    if question.multiple:
        return _list_fault(question, schema, answer)
    kind = schema.get("type", "string")
    if kind not in _EXPECTED:
        return None
    if not _is_of(kind, answer):
        return f"is not {_EXPECTED[kind]}"
    if isinstance(answer, str):
        return _text_fault(question, schema, answer)
    return None if isinstance(answer, bool) else _range_fault(schema, answer, "minimum", "maximum", "it is")


def _form_breach(questions: Sequence[Question], answers: Mapping[str, Any]) -> str | None:
    asked = {str(question.id): question for question in questions}
    if not answers.keys() <= asked.keys():
        return f"an answer is to none of its questions: {_named(asked) or 'it has none'}"
    for name, answer in answers.items():
        fault = answer_fault(asked[name], answer)
        if fault is not None:
            return f"the answer to question {name!r} {fault}"
    missing = [name for name, question in asked.items() if question.required and name not in answers]
    return f"an answer is missing to {_named(missing)}" if missing else None


def _edit_breach(asked: ApprovalDetails, answers: Mapping[str, Any]) -> str | None:
    if not asked.editable:
        return "it asks no questions and takes no changed input, so that it takes no answers"
    if answers.keys() != {UPDATED_INPUT} or not isinstance(answers[UPDATED_INPUT], dict):
        return f"its answers can only be {UPDATED_INPUT!r}, an object"
    return None


def _list_fault(question: Question, schema: JsonObject, answer: Any) -> str | None:
    if not isinstance(answer, list | tuple) or not all(isinstance(one, str) for one in answer):
        return "is not a list of texts"
    if len(set(answer)) != len(answer):
        return "names an option twice"
    if any(_choice_fault(question, one) for one in answer):
        return f"names none of the options {_labels(question)}"
    return _range_fault(schema, len(answer), "minItems", "maxItems", "the number of its items is")


def _text_fault(question: Question, schema: JsonObject, answer: str) -> str | None:
    if _choice_fault(question, answer):
        return f"is none of the options {_labels(question)}"
    return _range_fault(schema, len(answer), "minLength", "maxLength", "the number of its characters is")


def _choice_fault(question: Question, answer: str) -> bool:
    if not question.options or question.free_text:
        return False
    return all(answer != option.label for option in question.options)


def _range_fault(schema: JsonObject, value: float, least: str, most: str, what: str) -> str | None:
    low, high = _number(schema.get(least)), _number(schema.get(most))
    if low is not None and value < low:
        return f"is out of range: {what} below {low}"
    if high is not None and value > high:
        return f"is out of range: {what} above {high}"
    return None


def _number(bound: Any) -> float | None:
    return bound if _is_of("number", bound) else None


def _is_of(kind: str, value: Any) -> bool:
    match kind:
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case _:
            return isinstance(value, int | float) and not isinstance(value, bool)


def _labels(question: Question) -> str:
    return _named(option.label for option in question.options)


def _named(names: Iterable[str]) -> str:
    shown = list(islice(names, _MAX_NAMED + 1))
    more = ", …" if len(shown) > _MAX_NAMED else ""
    return ", ".join(repr(name) for name in shown[:_MAX_NAMED]) + more
