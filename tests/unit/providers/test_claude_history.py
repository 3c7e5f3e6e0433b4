"""Where a Claude Code session is cut, and how a resume cursor names a branch of it."""

from __future__ import annotations

from uuid import uuid4

import pytest

from orchestrion.actors.providers.claude.history import find_cut, prompt_id
from orchestrion.actors.providers.claude.session import ClaudeSession
from orchestrion.contracts.errors import ResumeRefused
from orchestrion.contracts.ids import TurnId

ONE, TWO, THREE = TurnId("one"), TurnId("two"), TurnId("three")
SAID = [str(uuid4()) for _ in range(4)]
WHOLE = [prompt_id(ONE), SAID[0], SAID[1], prompt_id(TWO), SAID[2], prompt_id(THREE), SAID[3]]
SUMMARY = str(uuid4())


def test_history_before_the_first_removed_turn_is_kept() -> None:
    for forgotten in ([TWO, THREE], [THREE, TWO], [TWO]):
        found = find_cut(WHOLE, forgotten)
        assert (found.kept, found.is_needed, found.is_certain) == (tuple(WHOLE[:3]), True, True)


def test_turns_that_are_not_there_need_no_cut() -> None:
    found = find_cut(WHOLE[:3], [TWO])
    assert (found.kept, found.is_needed, found.is_certain) == (tuple(WHOLE[:3]), False, True)
    assert not find_cut([], [TWO]).is_needed


def test_nothing_is_kept_before_the_first_turn() -> None:
    found = find_cut(WHOLE, [ONE])
    assert (found.kept, found.is_needed, found.is_certain) == ((), True, True)


@pytest.mark.parametrize(
    ("left", "is_certain"),
    [(WHOLE[3:], True), (WHOLE[5:], False), ([SAID[0]], False)],
    ids=["the summary ends before them", "the summary may hold one of them", "no turn is told apart"],
)
def test_a_summary_that_may_hold_forgotten_turns_makes_it_uncertain(left: list[str], is_certain: bool) -> None:
    assert find_cut([SUMMARY, *left], [THREE]).is_certain == is_certain


def test_message_of_a_turn_has_a_stable_id() -> None:
    assert prompt_id(ONE) == prompt_id(TurnId("one"))
    assert prompt_id(ONE) != prompt_id(TWO)
    assert prompt_id(None) != prompt_id(None)


def test_a_cursor_names_a_session_or_a_branch_that_is_not_written_yet() -> None:
    session = ClaudeSession.new()
    branch = session.branch_after(SAID[0])
    assert branch.session_id != session.session_id
    for one in (session, branch):
        assert ClaudeSession.of_cursor(one.cursor()) == one
    assert branch.without_branch().cursor() == {"sessionId": branch.session_id}
    again = branch.with_new_id()
    assert again.session_id != branch.session_id
    assert again.cursor()["branch"] == branch.cursor()["branch"]


@pytest.mark.parametrize(
    "cursor", [{}, {"sessionId": "no uuid"}, {"sessionId": SUMMARY, "branch": {}}, {"sessionId": SUMMARY, "branch": 1}]
)
def test_a_cursor_of_another_shape_is_refused(cursor: dict[str, object]) -> None:
    with pytest.raises(ResumeRefused, match="names no session"):
        ClaudeSession.of_cursor(cursor)
