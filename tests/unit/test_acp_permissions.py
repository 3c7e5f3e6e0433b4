"""Which option answers a decision: the first of its kind with the least reach, and never one that widens unasked."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrion.actors.providers.acp_permissions import choose, offers_of
from orchestrion.runtime.contracts.errors import ProviderProtocolError
from orchestrion.runtime.contracts.ids import ApprovalOptionId
from orchestrion.runtime.contracts.values import ApprovalDecision

pytestmark = pytest.mark.lesson("L50")

ONCE, ALWAYS, NO, NEVER = "allow_once", "allow_always", "reject_once", "reject_always"

PLAN = [
    (ALWAYS, "bypassPermissions", "Yes, and bypass permissions"),
    (ALWAYS, "auto", 'Yes, and use "auto" mode'),
    (ALWAYS, "acceptEdits", "Yes, and auto-accept edits"),
    (ONCE, "default", "Yes, and manually approve edits"),
    (NO, "plan", "No, keep planning"),
]
RULES = [
    (ONCE, "proceed_once", "Allow"),
    (ALWAYS, "proceed_always_project", "Always allow in this project"),
    (ALWAYS, "proceed_always_user", "Always allow for this user"),
    (ALWAYS, "proceed_always_and_save", "Allow for all future sessions"),
    (NO, "cancel", "Suggest changes (esc)"),
]
SESSION = [
    (ALWAYS, "always_permanent", "Allow permanently"),
    (ALWAYS, "approved-execpolicy-amendment", "Yes, and don't ask again for commands that start with `git`"),
    (ALWAYS, "approve_for_session", "Approve for this session"),
    (ALWAYS, "second", "Also for this session"),
    (ONCE, "approve", "Approve once"),
    (ONCE, "again", "Approve once more"),
    (NEVER, "reject_ever", "Never"),
    (NO, "reject", "Reject"),
    (NO, "reject_too", "Reject with a word"),
]
QUESTION = [(ONCE, "q0", "RED"), (ONCE, "q1", "BLUE"), (NO, "skip", "Skip")]
EDITS = [(ALWAYS, "all", "Yes, allow all edits during this session"), (ONCE, "yes", "Yes"), (NO, "no", "No")]
UNTOLD = [(ALWAYS, "always", "Always allow"), (NO, "no", "No")]
ODD = [("", "ok", "OK"), ("allow", "fine", "Fine")]


def offered(options: list[tuple[str, str, str]]) -> Any:
    return [{"kind": kind, "optionId": own, "name": name} for kind, own, name in options]


@pytest.mark.parametrize(
    ("options", "decision", "chosen"),
    [
        (PLAN, "accept", "default"),
        (PLAN, "acceptForSession", "default"),
        (PLAN, "decline", "plan"),
        (RULES, "accept", "proceed_once"),
        (RULES, "acceptForSession", "proceed_once"),
        (RULES, "decline", "cancel"),
        (SESSION, "accept", "approve"),
        (SESSION, "acceptForSession", "approve_for_session"),
        (SESSION, "decline", "reject"),
        (QUESTION, "accept", "q0"),
        (QUESTION, "decline", "skip"),
        (EDITS, "acceptForSession", "all"),
        (UNTOLD, "accept", "always"),
        (UNTOLD, "acceptForSession", "always"),
        ([(NEVER, "never", "Never")], "decline", "never"),
        ([(ONCE, "yes", "Yes"), (ALWAYS, "ever", "Always")], "decline", None),
        (ODD, "decline", None),
        ([], "decline", None),
        (SESSION, "cancel", None),
    ],
)
def test_decision_takes_the_first_fitting_option_of_least_reach(
    options: list[tuple[str, str, str]], decision: ApprovalDecision, chosen: str | None
) -> None:
    taken = choose(offers_of(offered(options)), decision)
    assert (None if taken is None else taken.agent_id) == chosen


@pytest.mark.parametrize("decision", ["accept", "acceptForSession"])
@pytest.mark.parametrize(
    "options",
    [
        [(NO, "no", "No")],
        [(ALWAYS, "bypassPermissions", "Yes"), (NO, "no", "No")],
        [(ONCE, "acceptEdits", "Yes, and accept edits"), (NO, "no", "No")],
        [(ALWAYS, "x", "Yes, don't ask again in this folder")],
        [(ALWAYS, "code", "Code"), (ALWAYS, "ask", "Ask")],
        ODD,
        [],
    ],
)
def test_acceptance_takes_no_wider_option_that_was_not_named(
    options: list[tuple[str, str, str]], decision: ApprovalDecision
) -> None:
    offers = offers_of(offered(options), modes={"code", "ask"})
    with pytest.raises(ProviderProtocolError, match="no option of the request is a plain"):
        choose(offers, decision)


@pytest.mark.parametrize(("kind", "own", "name"), [*PLAN, *RULES, *SESSION, *QUESTION, *ODD])
def test_named_option_is_taken_exactly(kind: str, own: str, name: str) -> None:
    offers = offers_of(offered([(ONCE, "other", "Other"), (kind, own, name), (NO, "another", "No")]))
    taken = choose(offers, "accept", ApprovalOptionId(own))
    assert taken is not None
    assert (taken.agent_id, taken.option.name) == (own, name)


def test_named_option_that_is_not_offered_is_refused() -> None:
    with pytest.raises(ProviderProtocolError, match="no option of the request is 'x'; there are 'q0'"):
        choose(offers_of(offered(QUESTION)), "accept", ApprovalOptionId("x"))


@pytest.mark.parametrize("own", ["q0", "ok"])
def test_decline_takes_no_named_option_that_allows(own: str) -> None:
    with pytest.raises(ProviderProtocolError, match="does not decline"):
        choose(offers_of(offered([*QUESTION, *ODD])), "decline", ApprovalOptionId(own))


def test_options_have_ids_of_their_own_in_the_agents_order() -> None:
    odd: list[Any] = [
        {"kind": ONCE, "optionId": "a", "name": "A"},
        {"kind": ONCE, "optionId": "a", "name": "again"},
        {"kind": "new", "optionId": "", "name": "nameless"},
        {"kind": None, "optionId": "x" * 10_000, "name": "y" * 10_000},
        None,
        "text",
    ]
    offers = offers_of(odd)
    ids = [offer.option.id for offer in offers]
    assert ids[0] == "a"
    assert len(set(ids)) == len(odd)
    assert [offer.option.kind for offer in offers[:4]] == [ONCE, ONCE, "other", "other"]
    assert [offer.agent_id for offer in offers[:3]] == ["a", "a", ""]
    assert max(len(offer.option.name) for offer in offers) == 500


def test_options_are_bounded_in_number() -> None:
    assert len(offers_of(offered(SESSION * 1000))) == 64
