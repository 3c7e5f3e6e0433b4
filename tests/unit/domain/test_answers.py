"""Answers to an agent's questions: what fits, what is missing, and what of it is not stored."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrion.contracts.events import ThreadApprovalResponseRequested
from orchestrion.contracts.values import ApprovalDecision, JsonObject
from orchestrion.domain.decide import decide
from orchestrion.domain.decision import DecisionRequest, DraftEvent, Rejection
from orchestrion.testing.given import Given, given
from tests.support.builders import (
    approval_requested,
    approval_resolved,
    approval_respond,
    at,
    project_create,
    question,
    question_requested,
    thread_create,
)

SECRET = "correct horse battery staple"

COLOUR = question()
COLOURS = question("q2", multiple=True, required=False, schema={"type": "array", "minItems": 1, "maxItems": 2})
OTHER = question("q3", freeText=True, required=False)
NAME = question("q4", options=[], required=False, schema={"type": "string", "minLength": 2, "maxLength": 4})
SIZE = question("q5", options=[], required=False, schema={"type": "number", "minimum": 0, "maximum": 10})
COUNT = question("q6", options=[], required=False, schema={"type": "integer"})
YES = question("q7", options=[], required=False, schema={"type": "boolean"})
ANY = question("q8", options=[], required=False, schema={"type": "duration"})
PASSWORD = question("q9", options=[], required=False, secret=True)


def asked(*questions: JsonObject) -> Given:
    return given(project_create(), thread_create(), question_requested(*questions))


FORM = (COLOUR, COLOURS, OTHER, NAME, SIZE, COUNT, YES, ANY, PASSWORD)


@pytest.mark.spec("E121")
@pytest.mark.parametrize(
    "answers",
    [
        {"q1": "red"},
        {"q1": "blue", "q2": ["red"], "q3": "green", "q4": "name", "q5": 2.5, "q6": 3, "q7": True, "q8": {"any": 1}},
        {"q1": "red", "q2": ["red", "blue"], "q5": 10, "q9": SECRET},
    ],
)
def test_answers_that_fit_their_questions_are_accepted(answers: JsonObject) -> None:
    asked(*FORM).when(approval_respond(answers=answers)).then_accepted()


@pytest.mark.spec("E121")
@pytest.mark.parametrize(
    ("answers", "named"),
    [
        ({}, "q1"),
        ({"q2": ["red"]}, "q1"),
        ({"q1": "red", "q0": "x"}, "q1"),
        ({"q1": "Red"}, "q1"),
        ({"q1": ["red"]}, "q1"),
        ({"q1": None}, "q1"),
        ({"q1": "red", "q2": "red"}, "q2"),
        ({"q1": "red", "q2": []}, "q2"),
        ({"q1": "red", "q2": ["red", "red"]}, "q2"),
        ({"q1": "red", "q2": ["green"]}, "q2"),
        ({"q1": "red", "q2": [1]}, "q2"),
        ({"q1": "red", "q4": "n"}, "q4"),
        ({"q1": "red", "q4": "names"}, "q4"),
        ({"q1": "red", "q5": "2"}, "q5"),
        ({"q1": "red", "q5": True}, "q5"),
        ({"q1": "red", "q5": -1}, "q5"),
        ({"q1": "red", "q5": 11}, "q5"),
        ({"q1": "red", "q6": 2.5}, "q6"),
        ({"q1": "red", "q7": 1}, "q7"),
        ({"q1": "red", "q9": 7}, "q9"),
    ],
)
def test_answers_that_do_not_fit_are_rejected_with_the_question(answers: JsonObject, named: str) -> None:
    asked(*FORM).when(approval_respond(answers=answers)).then_rejected("r1", "t1", named)


@pytest.mark.spec("E121")
def test_a_form_without_answers_is_accepted_where_none_is_required() -> None:
    asked(OTHER).when(approval_respond()).then_accepted()
    asked().when(approval_respond()).then_accepted()
    asked(COLOUR).when(approval_respond()).then_rejected("q1")


@pytest.mark.spec("E121")
@pytest.mark.parametrize("decision", ["decline", "cancel"])
def test_questions_are_declined_and_cancelled_without_answers(decision: ApprovalDecision) -> None:
    asked(COLOUR).when(approval_respond(decision=decision)).then_accepted()
    asked(COLOUR).when(approval_respond(decision=decision, answers={"q1": "red"})).then_rejected("r1", decision)


@pytest.mark.spec("E121")
@pytest.mark.parametrize("answers", [{"q0": SECRET}, {SECRET: "x"}, {"q1": SECRET}, {"q4": SECRET}, {"q5": SECRET}])
def test_a_rejection_repeats_no_answer_and_no_unknown_name(answers: JsonObject) -> None:
    rejected = asked(*FORM).when(approval_respond(answers={"q1": "red"} | answers)).result
    assert isinstance(rejected, Rejection)
    assert SECRET not in rejected.reason


@pytest.mark.spec("E123")
@pytest.mark.parametrize(
    ("payload", "answers", "is_accepted"),
    [
        ({"editable": True}, {"updatedInput": {"command": "ls"}}, True),
        ({"editable": True}, {"updatedInput": "ls"}, False),
        ({"editable": True}, {"command": "ls"}, False),
        ({"editable": True}, {}, False),
        ({}, {"updatedInput": {"command": "ls"}}, False),
        ({}, {}, False),
    ],
)
def test_an_editable_request_takes_a_changed_input(payload: JsonObject, answers: Any, is_accepted: bool) -> None:
    thread = given(project_create(), thread_create(), approval_requested("r1", **payload))
    outcome = thread.when(approval_respond(answers=answers))
    if is_accepted:
        (event,) = outcome.then_accepted()
        assert isinstance(event.payload, ThreadApprovalResponseRequested)
        assert event.payload.answers == answers
    else:
        outcome.then_rejected("r1", "t1")


@pytest.mark.spec("E122")
def test_a_secret_answer_is_withheld_from_its_event() -> None:
    host = asked(COLOUR, PASSWORD).host
    command = approval_respond(answers={"q1": "red", "q9": SECRET})
    decision = decide(host, DecisionRequest(command=command, now=at(1)))
    assert not isinstance(decision, Rejection)
    (draft,) = decision
    assert isinstance(draft.payload, ThreadApprovalResponseRequested)
    assert draft.payload.answers == {"q1": "red", "q9": "[secret]"}
    assert draft.withheld == {"q9": SECRET}


@pytest.mark.spec("E122")
def test_no_representation_shows_a_secret_answer() -> None:
    command = approval_respond(answers={"q9": SECRET})
    draft = DraftEvent(payload=_stored(), occurred_at=at(1), withheld={"q9": SECRET})
    assert SECRET not in repr(command) + repr(DecisionRequest(command=command, now=at(1))) + repr(draft)


def _stored() -> ThreadApprovalResponseRequested:
    (event,) = asked(COLOUR).when(approval_respond(answers={"q1": "red"})).then_accepted()
    assert isinstance(event.payload, ThreadApprovalResponseRequested)
    return event.payload


def test_a_form_that_was_resolved_takes_no_answers() -> None:
    thread = given(project_create(), thread_create(), question_requested(COLOUR), approval_resolved("r1"))
    thread.when(approval_respond(answers={"q1": "red"})).then_rejected("r1")


def test_a_question_in_a_form_that_is_not_known_is_left_out() -> None:
    odd: Any = ({"id": "q1"}, "text", {**COLOUR, "options": [{"label": 7}]}, {**COLOUR, "id": "q2", "addedLater": 1})
    thread = given(project_create(), thread_create(), question_requested(*odd))
    thread.when(approval_respond(answers={"q2": "red"})).then_accepted()
