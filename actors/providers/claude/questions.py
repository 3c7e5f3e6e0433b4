"""Claude's questions to its user: the input of the tool `AskUserQuestion` as a form, and its answers as input. Pure.

The tool is permitted with an input that has its answers: to each question, by its text, the labels that were chosen or
what the user wrote, joined by commas.
Source: https://docs.claude.com/en/api/agent-sdk/user-input
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ....contracts.errors import AnswerRefused
from ....contracts.ids import QuestionId
from ....contracts.questions import UPDATED_INPUT, Question
from ....contracts.values import JsonObject
from ....domain.question_bounds import bounded_question
from ..forms import Form, FormField, distinct_options, fits
from ..loose_json import list_of, object_of, text_of

__all__ = ["QUESTION_TOOL", "input_of_answers", "read_questions"]

QUESTION_TOOL: Final = "AskUserQuestion"


def read_questions(given: JsonObject) -> Form | None:
    """The form of the tool's input. None where it has no questions, or they cannot be shown."""
    questions: list[Question] = []
    fields: dict[str, FormField] = {}
    for number, one in enumerate(map(object_of, list_of(given.get("questions"))), start=1):
        text = text_of(one.get("question"))
        options, values = distinct_options(
            [
                (label, label, text_of(option.get("description")))
                for option in map(object_of, list_of(one.get("options")))
                if (label := text_of(option.get("label")))
            ]
        )
        question = Question(
            id=QuestionId(f"q{number}"),
            header=text_of(one.get("header")),
            text=text,
            options=options,
            multiple=one.get("multiSelect") is True,
            free_text=True,
        )
        questions.append(bounded_question(question))
        fields[question.id] = FormField(name=text, values=values)
    form = Form(questions=tuple(questions), fields=fields)
    return form if questions and fits(form.questions) else None


def input_of_answers(
    given: JsonObject, fields: Mapping[str, FormField] | None, answers: JsonObject | None
) -> JsonObject | None:
    """The input with which a tool is permitted: that of the answers to `fields`, a changed one, or None for its own.

    Raises:
        AnswerRefused: an answer is to none of the questions, or the changed input is no object.
    """
    if fields is None:
        changed = None if answers is None else answers.get(UPDATED_INPUT)
        if answers is not None and not isinstance(changed, dict):
            raise AnswerRefused(f"the answers have no {UPDATED_INPUT!r} that is an object")
        return changed
    answered = answers or {}
    if not answered.keys() <= fields.keys():
        raise AnswerRefused("an answer is to none of the questions")
    said = {fields[question].name: _joined(fields[question].value_of(answer)) for question, answer in answered.items()}
    return {**given, "answers": said}


def _joined(answer: Any) -> str:
    return ", ".join(map(str, answer)) if isinstance(answer, list) else str(answer)
