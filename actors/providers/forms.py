"""Forms that agents ask their users to fill in, as questions, and answers as the agent's values. Pure.

A form is a JSON schema of an object with flat fields, as MCP servers and agents of the Agent Client Protocol send it. A
form that the bounds on questions do not hold is none: its user could not answer it, so it is declined.
Source: https://modelcontextprotocol.io/specification/2025-11-25/client/elicitation
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any, Final

import attrs

from ...contracts.errors import AnswerRefused
from ...contracts.ids import MAX_IDENTIFIER_LENGTH, QuestionId, identifier_fault
from ...contracts.provider_events import MAX_OPTIONS, SessionNotice
from ...contracts.questions import Question, QuestionOption
from ...contracts.text_repair import bounded_text, repaired
from ...contracts.values import ApprovalDecision, JsonObject
from ...domain.question_bounds import bounded_question, bounded_questions
from .loose_json import list_of, object_of, text_of
from .redaction import plain

__all__ = [
    "Form",
    "FormField",
    "declined_form",
    "distinct_options",
    "elicitation_answer",
    "fits",
    "question_id",
    "read_form",
]

_KEPT: Final[dict[str, tuple[str, ...]]] = {
    "string": ("minLength", "maxLength", "pattern", "format", "default"),
    "number": ("minimum", "maximum", "default"),
    "integer": ("minimum", "maximum", "default"),
    "boolean": ("default",),
    "array": ("minItems", "maxItems", "default"),
}
"""Types of fields, and what of a field's schema its question keeps."""


@attrs.frozen(kw_only=True)
class FormField:
    """The agent's name of a field, and its value for each label of an option."""

    name: str
    values: Mapping[str, str] = attrs.field(factory=dict[str, str])

    def value_of(self, answer: Any) -> Any:
        if isinstance(answer, list | tuple):
            return [self.value_of(one) for one in answer]
        return self.values.get(answer, answer) if isinstance(answer, str) else answer


@attrs.frozen(kw_only=True)
class Form:
    """Questions, and the field of each by its question's id."""

    questions: tuple[Question, ...]
    fields: Mapping[str, FormField]


def read_form(schema: Any) -> Form | None:
    """The form of a schema. None where a required field is of an unknown type, or the form is too large."""
    required = [name for name in list_of(object_of(schema).get("required")) if isinstance(name, str)]
    questions: list[Question] = []
    fields: dict[str, FormField] = {}
    for name, given in object_of(object_of(schema).get("properties")).items():
        found = _read_field(question_id(name, len(questions) + 1), name, object_of(given), name in required)
        if found is not None:
            question, fields[found[0].id] = found
            questions.append(question)
        elif name in required:
            return None
    form = Form(questions=tuple(questions), fields=fields)
    return form if fits(form.questions) else None


def _values_of(fields: Mapping[str, FormField], answers: JsonObject) -> JsonObject:
    """The agent's values of the answers, by its names of the fields.

    Raises:
        AnswerRefused: an answer is to no field.
    """
    if not answers.keys() <= fields.keys():
        raise AnswerRefused("an answer is to none of the questions")
    return {fields[question].name: fields[question].value_of(answer) for question, answer in answers.items()}


def elicitation_answer(
    fields: Mapping[str, FormField], decision: ApprovalDecision, answers: JsonObject | None
) -> JsonObject:
    """The result of an elicitation.

    Raises:
        AnswerRefused: an answer is to no field.
    """
    if decision in ("accept", "acceptForSession"):
        return {"action": "accept", "content": _values_of(fields, answers or {})}
    return {"action": decision}


def declined_form(message: JsonObject) -> SessionNotice:
    """The notice about a form that is declined: it is too large, has a field of an unknown type, or is a link."""
    url = plain(text_of(message.get("url")))
    why = f"it wants this address to be opened: {url}" if url else "its form cannot be shown"
    detail = {"message": text_of(message.get("message"))} | ({"url": url} if url else {})
    summary = f"A question of the agent was declined, because {why}"
    return SessionNotice(kind="session.notice", summary=summary, detail=detail)


def fits(questions: tuple[Question, ...]) -> bool:
    """Whether every question can be shown and answered as it is."""
    return bounded_questions(questions) == questions


def question_id(name: str, number: int) -> QuestionId:
    """The agent's name of a question, or a number where an answer could not name it so."""
    plain = identifier_fault(name) is None and repaired(name) == name and len(name.encode()) <= MAX_IDENTIFIER_LENGTH
    return QuestionId(name if plain else f"question-{number}")


def distinct_options(options: list[tuple[str, str, str]]) -> tuple[tuple[QuestionOption, ...], dict[str, str]]:
    """Options of (value, label, description), at most `MAX_OPTIONS`, and the value of each label.

    Labels are cut to their bound; one that repeats, or is empty, is replaced by its value or a number.
    """
    shown: list[QuestionOption] = []
    values: dict[str, str] = {}
    for number, (value, title, description) in enumerate(islice(options, MAX_OPTIONS), start=1):
        names = (bounded_text(one, MAX_IDENTIFIER_LENGTH) for one in (title, value, f"option {number}"))
        label = next(one for one in names if one and one not in values)
        values[label] = value
        shown.append(QuestionOption(label=label, description=description))
    return tuple(shown), values


def _read_field(
    question: QuestionId, name: str, given: JsonObject, required: bool
) -> tuple[Question, FormField] | None:
    kind = text_of(given.get("type"))
    if kind not in _KEPT:
        return None
    is_list = kind == "array"
    options, values = distinct_options(_read_options(object_of(given.get("items")) if is_list else given))
    if is_list and not options:
        return None
    secret = given.get("format") == "password" or given.get("writeOnly") is True
    schema: JsonObject = {"type": kind}
    schema |= {key: given[key] for key in _KEPT[kind] if given.get(key) is not None}
    if secret:
        schema.pop("default", None)
    elif options and "default" in schema:
        labels = {value: label for label, value in values.items()}
        schema["default"] = _labelled(schema["default"], labels)
    title = text_of(given.get("title"))
    asked = Question(
        id=question,
        header=title or name,
        text=text_of(given.get("description")) or title or name,
        options=options,
        multiple=is_list,
        required=required,
        secret=secret,
        schema=schema,
    )
    return bounded_question(asked), FormField(name=name, values=values)


def _read_options(given: JsonObject) -> list[tuple[str, str, str]]:
    for titled in (given.get("oneOf"), given.get("anyOf")):
        found = [object_of(one) for one in list_of(titled)]
        if found:
            return [
                (text_of(one.get("const")), text_of(one.get("title")), text_of(one.get("description"))) for one in found
            ]
    names = list_of(given.get("enumNames"))
    return [
        (value, text_of(names[number]) if number < len(names) else "", "")
        for number, value in enumerate(list_of(given.get("enum")))
        if isinstance(value, str)
    ]


def _labelled(default: Any, labels: Mapping[str, str]) -> Any:
    if isinstance(default, list):
        return [labels.get(one, one) for one in default if isinstance(one, str)]
    return labels.get(default, default) if isinstance(default, str) else default
