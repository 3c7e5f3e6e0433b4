"""The bounds on the questions of a request: how many, and how large. Bounding them again changes nothing."""

from __future__ import annotations

from itertools import islice
from typing import Final

import attrs
import orjson

from ..contracts.codec import to_json
from ..contracts.ids import MAX_IDENTIFIER_LENGTH, identifier_fault
from ..contracts.payload_bounds import fitting_payload
from ..contracts.provider_events import MAX_OPTIONS
from ..contracts.questions import MAX_QUESTIONS, Question, QuestionOption
from ..contracts.text_repair import bounded_text
from ..contracts.values import UNSET

MAX_QUESTIONS_BYTES: Final = 52 * 1024
"""Of all questions of a request as JSON. What they leave of an activity's bound is the detail's."""
MAX_QUESTION_BYTES: Final = 2 * 1024
"""Of the text of one question, and of the description of one option."""
MAX_SCHEMA_BYTES: Final = 2 * 1024


def bounded_questions(questions: tuple[Question, ...]) -> tuple[Question, ...]:
    """The first questions that an answer can name, in their order, each within its bounds."""
    kept: dict[str, Question] = {}
    left = MAX_QUESTIONS_BYTES
    for question in islice(map(bounded_question, questions), MAX_QUESTIONS):
        left -= size_of(question)
        if left < 0:
            break
        if identifier_fault(question.id) is None:
            kept.setdefault(question.id, question)
    return tuple(kept.values())


def size_of(question: Question) -> int:
    """Bytes as JSON, with the comma that follows."""
    return len(orjson.dumps(to_json(question))) + 1


def bounded_question(question: Question) -> Question:
    """The question with its first options, and with texts that are cut where they are too long."""
    options: dict[str, QuestionOption] = {}
    for option in islice(map(_bounded_option, question.options), MAX_OPTIONS):
        options.setdefault(option.label, option)
    return attrs.evolve(
        question,
        header=bounded_text(question.header, MAX_IDENTIFIER_LENGTH),
        text=bounded_text(question.text, MAX_QUESTION_BYTES),
        options=tuple(options.values()),
        schema=UNSET if question.schema is UNSET else fitting_payload(question.schema, limit=MAX_SCHEMA_BYTES),
    )


def _bounded_option(option: QuestionOption) -> QuestionOption:
    return QuestionOption(
        label=bounded_text(option.label, MAX_IDENTIFIER_LENGTH),
        description=bounded_text(option.description, MAX_QUESTION_BYTES),
    )
