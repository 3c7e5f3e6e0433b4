"""The queue of a session: in which order its turns and reverts begin."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from ...contracts.ids import TurnId
from .inputs import Queued, QueueOrdered, RevertAsked, TurnStartAsked
from .states import Capturing, Claiming, Starting, State


def insert_in_order(queue: tuple[Queued, ...], added: Queued) -> tuple[Queued, ...]:
    return in_line((*queue, added))


def in_line(waiting: Iterable[Queued]) -> tuple[Queued, ...]:
    """Turns by their places. A revert comes right after the last turn that was asked for before it."""
    waiting = tuple(waiting)
    line: list[Queued] = [*sorted(_turns_of(waiting), key=lambda turn: (turn.place, turn.sequence))]
    reverts = [one for one in waiting if isinstance(one, RevertAsked)]
    for revert in sorted(reverts, key=lambda one: one.sequence, reverse=True):
        older = (place for place, one in enumerate(line, start=1) if one.sequence < revert.sequence)
        line.insert(max(older, default=0), revert)
    return tuple(line)


def find_turn(queue: tuple[Queued, ...], turn_id: object) -> TurnStartAsked | None:
    return next((one for one in _turns_of(queue) if one.turn_id == turn_id), None)


def order_queue(state: State, order: QueueOrdered) -> State:
    """The state with its waiting turns in this order. A current turn that is not claimed is one of them."""
    if isinstance(state, Starting | Capturing | Claiming):
        placed = _placed((*_turns_of(state.queue), state.turn), order)
        current = placed.get(state.turn.turn_id, state.turn)
        return attrs.evolve(state, queue=_in_places(state.queue, placed), turn=current)
    return attrs.evolve(state, queue=_in_places(state.queue, _placed(_turns_of(state.queue), order)))


def is_next(state: Starting | Capturing) -> bool:
    """Whether no waiting turn was put before the current one."""
    return in_line((*_turns_of(state.queue), state.turn))[0] == state.turn


def _turns_of(waiting: Iterable[Queued]) -> tuple[TurnStartAsked, ...]:
    return tuple(one for one in waiting if isinstance(one, TurnStartAsked))


def _placed(turns: tuple[TurnStartAsked, ...], order: QueueOrdered) -> dict[TurnId, TurnStartAsked]:
    """The turns that the order names: they share out their sequences as places."""
    named = [turn for turn_id in order.turn_ids for turn in turns if turn.turn_id == turn_id]
    places = sorted(turn.sequence for turn in named)
    return {turn.turn_id: attrs.evolve(turn, place=place) for turn, place in zip(named, places, strict=True)}


def _in_places(queue: tuple[Queued, ...], placed: dict[TurnId, TurnStartAsked]) -> tuple[Queued, ...]:
    return in_line(placed.get(one.turn_id, one) if isinstance(one, TurnStartAsked) else one for one in queue)
