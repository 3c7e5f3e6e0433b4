"""Which option of an ACP permission request answers a decision. Pure.

An agent offers options, each of a kind: allow or reject, once or always. The kind does not define how far an option
reaches: agents use `allow_always` for "in this session", for a rule that is kept in their settings, and for a change
of their mode. A decision is answered by the first option of its kind that has the least reach:

    accept            allow once, else for the session, else an `allow_always` without a stated reach
    acceptForSession  allow for the session, else once, else an `allow_always` without a stated reach
    decline           reject once, else always
    cancel            none: the request is answered `cancelled`, and the turn with it

Options that widen the agent's mode or make a permanent rule are taken only by their id. If no option fits, an
acceptance is refused with an error that lists the options, and a decline is answered `cancelled`, which agents treat
as a refusal.

A client sees at most `MAX_OPTIONS` options, and no others are taken. The first option of each kind and reach is always
among them, so a decision is answered as it would be if all were shown.
Source: https://agentclientprotocol.com/protocol/tool-calls#requesting-permission
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from itertools import islice
from typing import Any, Final, Literal, TypeAlias, cast

import attrs

from ....contracts.errors import AnswerRefused
from ....contracts.ids import MAX_IDENTIFIER_LENGTH, ApprovalOptionId, identifier_fault
from ....contracts.provider_events import MAX_OPTIONS, ApprovalOption
from ....contracts.text_repair import repaired
from ....contracts.values import ApprovalDecision, ApprovalOptionKind, JsonObject
from ..loose_json import list_of, object_of, text_of

__all__ = ["Offer", "choose", "left_out_detail", "offers_of"]

_MAX_NAME: Final = 500

Reach: TypeAlias = Literal["once", "session", "untold", "rule", "mode"]

_KINDS: Final = frozenset({"allow_once", "allow_always", "reject_once", "reject_always"})
_ACCEPTING: Final[dict[ApprovalDecision, tuple[Reach, ...]]] = {
    "accept": ("once", "session", "untold"),
    "acceptForSession": ("session", "once", "untold"),
}
_MODE: Final = re.compile(
    r"bypass|yolo|accept (?:all )?edits|auto ?(?:accept|approve|edit|run|mode)|full ?(?:access|auto)"
    r"|skip (?:all )?permission|without asking|don.?t ask(?! again)",
    re.IGNORECASE,
)
_WIDER_MODE: Final = re.compile(r"\bauto\b|unrestricted|dangerous|everything|\bmode\b", re.IGNORECASE)
"""Words for a mode, looked for in options that allow always: an option that allows once may quote a command."""
_KEPT_RULE: Final = re.compile(
    r"permanent|for ?ever|future|\bsav(?:e|ing)|settings|config|\brules?\b|polic(?:y|ies)|amendment|\buser\b|global"
    r"|everywhere|(?:every|all|across) sessions?",
    re.IGNORECASE,
)
_SESSION: Final = re.compile(
    r"session|conversation|\bthis (?:chat|run|turn|task)|until (?:exit|restart)|temporar", re.IGNORECASE
)
_PLACE: Final = re.compile(
    r"project|workspace|\brepo|folder|director(?:y|ies)|ask again|remember|commands? (?:that )?start", re.IGNORECASE
)
"""The scope of a permanent rule, unless the option names the session."""
_QUOTED: Final = re.compile(r"`[^`]*`|\"[^\"]*\"")
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@attrs.frozen(kw_only=True)
class Offer:
    """An option as a client sees it, and the agent's own id of it, which may repeat and need not be an identifier."""

    option: ApprovalOption
    agent_id: str
    reach: Reach

    @property
    def allows(self) -> bool:
        return self.option.kind not in ("reject_once", "reject_always")


def offers_of(options: Any, *, modes: Collection[str] = ()) -> tuple[Offer, ...]:
    """The options of a request in their order, at most `MAX_OPTIONS`. `modes` are the ids of the agent's modes."""
    offers: list[Offer] = []
    taken: set[str] = set()
    for number, one in enumerate(_select_shown([_read_option(one, modes) for one in list_of(options)]), start=1):
        own = one.agent_id
        if _is_unusable_id(own) or own in taken:
            own = next(f"option-{n}" for n in range(number, number + MAX_OPTIONS + 1) if f"option-{n}" not in taken)
        taken.add(own)
        name = one.name[:_MAX_NAME] or one.agent_id[:_MAX_NAME]
        option = ApprovalOption(id=ApprovalOptionId(own), name=name, kind=one.kind)
        offers.append(Offer(option=option, agent_id=one.agent_id, reach=one.reach))
    return tuple(offers)


def left_out_detail(options: Any, offers: Collection[Offer]) -> JsonObject:
    """The field that counts the options of a request that are not offered; empty where all are."""
    count = len(list_of(options)) - len(offers)
    return {"optionsLeftOut": count} if count else {}


def choose(offers: Iterable[Offer], decision: ApprovalDecision, option: ApprovalOptionId | None = None) -> Offer | None:
    """The option that answers a decision; None answers `cancelled`.

    Raises:
        AnswerRefused: no option is named so, the named one allows what the decision declines, or no option
            that is not wider than the decision accepts.
    """
    offers = tuple(offers)
    if decision == "cancel":
        return None
    if option is not None:
        named = next((offer for offer in offers if offer.option.id == option), None)
        if named is None:
            raise AnswerRefused(f"no option of the request is {option!r}; there are {_describe(offers)}")
        if decision == "decline" and named.allows:
            raise AnswerRefused(f"option {option!r} does not decline the request; there are {_describe(offers)}")
        return named
    if decision == "decline":
        kinds = ("reject_once", "reject_always")
        return next((offer for kind in kinds for offer in offers if offer.option.kind == kind), None)
    allowing = [offer for offer in offers if offer.option.kind in ("allow_once", "allow_always")]
    fitting = (offer for reach in _ACCEPTING[decision] for offer in allowing if offer.reach == reach)
    chosen = next(fitting, None)
    if chosen is None:
        raise AnswerRefused(
            f"no option of the request is a plain {decision!r}: name one of {_describe(offers)}, or decline"
        )
    return chosen


@attrs.frozen(kw_only=True)
class _ReadOption:
    agent_id: str
    name: str
    kind: ApprovalOptionKind
    reach: Reach


def _read_option(option: Any, modes: Collection[str]) -> _ReadOption:
    agent_id, name, kind = (text_of(object_of(option).get(key)) for key in ("optionId", "name", "kind"))
    known = cast("ApprovalOptionKind", kind if kind in _KINDS else "other")
    return _ReadOption(agent_id=agent_id, name=name, kind=known, reach=_reach(known, agent_id, name, modes))


def _select_shown(options: Sequence[_ReadOption]) -> Sequence[_ReadOption]:
    """The options that a client sees: the first of each kind and reach, then others, all in the agent's order."""
    if len(options) <= MAX_OPTIONS:
        return options
    firsts: dict[tuple[str, str], int] = {}
    for number, one in enumerate(options):
        firsts.setdefault((one.kind, one.reach), number)
    rest = (number for number in range(len(options)) if number not in firsts.values())
    kept = [*firsts.values(), *islice(rest, MAX_OPTIONS - len(firsts))]
    return [options[number] for number in sorted(kept)]


def _is_unusable_id(text: str) -> bool:
    """Whether a client could not name an option by this id: not an identifier, too long, or altered when stored."""
    return identifier_fault(text) is not None or repaired(text) != text or len(text.encode()) > MAX_IDENTIFIER_LENGTH


def _reach(kind: ApprovalOptionKind, agent_id: str, name: str, modes: Collection[str]) -> Reach:
    """How far an allowing option reaches, by its kind, its wording and whether its id is one of the agent's modes."""
    plain = re.sub(r"[_\s-]+", " ", _CAMEL.sub(" ", agent_id))
    wording = re.sub(r"[_\s-]+", " ", f"{plain} {_QUOTED.sub(' ', name)}")
    if _MODE.search(wording):
        return "mode"
    if kind != "allow_always":
        return "once"
    if agent_id in modes or _WIDER_MODE.search(wording):
        return "mode"
    if _KEPT_RULE.search(wording):
        return "rule"
    if _SESSION.search(wording):
        return "session"
    return "rule" if _PLACE.search(wording) else "untold"


def _describe(offers: Collection[Offer]) -> str:
    return ", ".join(f"{offer.option.id!r} ({offer.option.kind})" for offer in offers) or "none"
