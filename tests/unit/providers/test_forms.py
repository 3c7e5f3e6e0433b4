"""Forms of agents as questions, and answers as their values."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrion.actors.providers.claude.questions import input_of_answers, read_questions
from orchestrion.actors.providers.forms import Form, elicitation_answer, read_form
from orchestrion.contracts.errors import AnswerRefused
from orchestrion.contracts.questions import MAX_QUESTIONS, Question
from orchestrion.contracts.values import UNSET, ApprovalDecision, JsonObject
from tests.unit.providers.test_odd_fields import ODD, altered

TITLED = [{"const": "r", "title": "Red"}, {"const": "b", "title": "Blue", "description": "as the sky"}]
FIELDS: dict[str, JsonObject] = {
    "plain": {"type": "string", "title": "Name", "description": "Your name", "minLength": 2, "format": "email"},
    "enum": {"type": "string", "enum": ["a", "b"], "default": "b"},
    "legacy": {"type": "string", "enum": ["a", "b"], "enumNames": ["First", ""]},
    "titled": {"type": "string", "oneOf": TITLED, "default": "b"},
    "many": {"type": "array", "items": {"anyOf": TITLED}, "minItems": 1, "default": ["r"]},
    "words": {"type": "array", "items": {"type": "string", "enum": ["x", "y"]}},
    "number": {"type": "number", "minimum": 1.5},
    "whole": {"type": "integer", "maximum": 7},
    "yes": {"type": "boolean", "default": True},
    "secret": {"type": "string", "format": "password", "default": "hunter2"},
    "hidden": {"type": "string", "writeOnly": True},
    "unknown": {"type": "duration"},
}


def form_of(*required: str, **fields: Any) -> Form | None:
    return read_form({"type": "object", "properties": fields, "required": list(required)})


def asked() -> dict[str, Question]:
    form = form_of("plain", **FIELDS)
    assert form is not None
    return {question.id: question for question in form.questions}


def labels(question: Question) -> list[str]:
    return [option.label for option in question.options]


def test_fields_of_a_schema_become_questions() -> None:
    questions = asked()
    assert list(questions) == [name for name in FIELDS if name != "unknown"]
    plain = questions["plain"]
    assert (plain.header, plain.text, plain.required, plain.secret) == ("Name", "Your name", True, False)
    assert plain.schema == {"type": "string", "minLength": 2, "format": "email"}
    assert [name for name, one in questions.items() if one.required] == ["plain"]
    assert [name for name, one in questions.items() if one.multiple] == ["many", "words"]
    assert [labels(questions[name]) for name in ("enum", "legacy", "titled", "many", "words")] == [
        ["a", "b"],
        ["First", "b"],
        ["Red", "Blue"],
        ["Red", "Blue"],
        ["x", "y"],
    ]
    assert questions["titled"].options[1].description == "as the sky"
    assert [questions[name].schema for name in ("number", "whole", "yes")] == [
        {"type": "number", "minimum": 1.5},
        {"type": "integer", "maximum": 7},
        {"type": "boolean", "default": True},
    ]


def test_a_default_names_the_label_that_a_user_sees() -> None:
    questions = asked()
    assert questions["titled"].schema == {"type": "string", "default": "Blue"}
    assert questions["many"].schema == {"type": "array", "minItems": 1, "default": ["Red"]}


@pytest.mark.spec("E122")
def test_a_password_is_secret_and_has_no_default() -> None:
    questions = asked()
    assert [name for name, one in questions.items() if one.secret] == ["secret", "hidden"]
    assert questions["secret"].schema == {"type": "string", "format": "password"}


def test_answers_become_the_values_of_the_agent() -> None:
    form = form_of(**FIELDS)
    assert form is not None
    answers = {"plain": "me", "titled": "Blue", "many": ["Red", "Blue"], "legacy": "First", "whole": 3, "yes": False}
    values = {"plain": "me", "titled": "b", "many": ["r", "b"], "legacy": "a", "whole": 3, "yes": False}
    assert elicitation_answer(form.fields, "accept", answers) == {"action": "accept", "content": values}


@pytest.mark.parametrize("decision", ["decline", "cancel"])
def test_a_form_is_declined_and_cancelled_without_values(decision: ApprovalDecision) -> None:
    assert elicitation_answer({}, decision, None) == {"action": decision}


def test_an_answer_to_no_field_is_refused_without_its_text() -> None:
    with pytest.raises(AnswerRefused) as refused:
        elicitation_answer({}, "accept", {"hunter2": "hunter2"})
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "form",
    [
        form_of("unknown", **FIELDS),
        form_of("free", free={"type": "array", "items": {"type": "string"}}),
        form_of(**{f"f{number}": {"type": "string"} for number in range(MAX_QUESTIONS + 1)}),
        form_of(**{f"f{number}": {"type": "string", "description": "d" * 2000} for number in range(MAX_QUESTIONS)}),
    ],
    ids=["unknown type", "list of free text", "too many", "too large"],
)
def test_a_form_that_cannot_be_answered_is_none(form: Form | None) -> None:
    assert form is None


def test_odd_names_and_labels_can_be_answered() -> None:
    form = form_of(**{"": {"type": "string", "enum": ["x" * 300, "x" * 301, ""]}, "\n": {"type": "string"}})
    assert form is not None
    first, second = form.questions
    assert (first.id, second.id) == ("question-1", "question-2")
    assert len(set(labels(first))) == 3
    values = [form.fields[first.id].value_of(label) for label in labels(first)]
    assert values == ["x" * 300, "x" * 301, ""]
    assert elicitation_answer(form.fields, "accept", {"question-2": "a"}) == {
        "action": "accept",
        "content": {"\n": "a"},
    }


@pytest.mark.lesson("L63")
@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_odd_schemas_break_nothing(odd: Any) -> None:
    for schema in altered({"properties": FIELDS, "required": ["plain"]}, odd):
        form = read_form(schema)
        assert form is None or len(form.questions) == len(form.fields)


CLAUDE = {
    "questions": [
        {
            "question": "Which?",
            "header": "Colour",
            "options": [{"label": "red", "description": "R"}, {"label": "blue"}],
        },
        {"question": "What else?", "header": "More", "options": [{"label": "a"}, {"label": "b"}], "multiSelect": True},
    ]
}


def test_claudes_questions_are_answered_by_their_texts() -> None:
    form = read_questions(CLAUDE)
    assert form is not None
    assert [(one.id, one.header, one.multiple, one.free_text) for one in form.questions] == [
        ("q1", "Colour", False, True),
        ("q2", "More", True, True),
    ]
    answered = input_of_answers(CLAUDE, form.fields, {"q1": "green", "q2": ["a", "b"]})
    assert answered == {**CLAUDE, "answers": {"Which?": "green", "What else?": "a, b"}}


def test_claudes_tool_runs_with_its_own_input_or_a_changed_one() -> None:
    assert input_of_answers({"command": "ls"}, None, None) is None
    assert input_of_answers({"command": "ls"}, None, {"updatedInput": {"command": "pwd"}}) == {"command": "pwd"}
    with pytest.raises(AnswerRefused):
        input_of_answers({"command": "ls"}, None, {"updatedInput": "pwd"})


@pytest.mark.lesson("L63")
@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_odd_questions_of_claude_break_nothing(odd: Any) -> None:
    for given in altered(CLAUDE, odd):
        form = read_questions(given) if isinstance(given, dict) else None
        assert form is None or all(question.schema is UNSET for question in form.questions)
