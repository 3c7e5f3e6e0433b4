"""Which option answers a decision: the first of its kind with the least reach, and never one with a wider effect."""

from __future__ import annotations

from typing import Any

import attrs
import orjson
import pytest

from orchestrion.actors.providers.acp.permissions import choose, left_out_detail, offers_of
from orchestrion.contracts.errors import ProviderProtocolError
from orchestrion.contracts.ids import ApprovalOptionId, ApprovalRequestId
from orchestrion.contracts.provider_events import MAX_OPTIONS, ApprovalRequested
from orchestrion.contracts.values import MAX_ACTIVITY_PAYLOAD_BYTES, ApprovalDecision
from orchestrion.domain.event_bounds import bounded_event

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


@pytest.mark.lesson("L89")
def test_narrowest_option_is_taken_even_if_not_all_are_shown() -> None:
    wide = [(ALWAYS, f"bypass{number}", "Bypass permissions") for number in range(MAX_OPTIONS)]
    untold = [(ALWAYS, f"always{number}", "Always") for number in range(MAX_OPTIONS)]
    options = offered([*wide, *untold, *SESSION])
    offers = offers_of(options)
    assert len(offers) == MAX_OPTIONS
    assert left_out_detail(options, offers) == {"optionsLeftOut": MAX_OPTIONS + len(SESSION)}
    answers: list[ApprovalDecision] = ["accept", "acceptForSession", "decline"]
    taken = [choose(offers, answer) for answer in answers]
    assert [one and one.agent_id for one in taken] == ["approve", "approve_for_session", "reject"]
    assert [offer.agent_id for offer in offers][:2] == ["bypass0", "bypass1"]


@pytest.mark.lesson("L89")
def test_no_option_that_is_not_shown_is_taken() -> None:
    offers = offers_of(
        offered([(ALWAYS, f"bypass{number}", "Bypass permissions") for number in range(MAX_OPTIONS + 1)])
    )
    with pytest.raises(ProviderProtocolError, match="a plain 'accept'"):
        choose(offers, "accept")
    with pytest.raises(ProviderProtocolError, match="no option of the request is 'bypass64'"):
        choose(offers, "accept", ApprovalOptionId("bypass64"))


@pytest.mark.parametrize(
    "own", ["option-{}", "\U0001f600" * 150 + "{}", '"' * 190 + "{}", "\ud83d{}", "x" * 300 + "{}"]
)
@pytest.mark.lesson("L89")
def test_each_option_that_is_shown_can_be_named(own: str) -> None:
    offers = offers_of(offered([(NO, own.format(number), "n" * 600) for number in range(MAX_OPTIONS, 0, -1)]))
    asked = ApprovalRequested(
        request=ApprovalRequestId("r"),
        kind="command",
        summary="?",
        options=tuple(offer.option for offer in offers),
        detail={"v": "x" * 10**6},
    )
    shown = bounded_event(asked)
    assert isinstance(shown, ApprovalRequested)
    assert [option.id for option in shown.options] == [offer.option.id for offer in offers]
    assert len({option.id for option in shown.options}) == MAX_OPTIONS
    assert [choose(offers, "decline", option.id) for option in shown.options] == list(offers)
    assert len(orjson.dumps([attrs.asdict(shown)])) < MAX_ACTIVITY_PAYLOAD_BYTES
