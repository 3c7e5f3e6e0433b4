"""Recorded messages of real agents with one field of another type: the conversation continues, and can be written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.support.conversations import through_json
from tests.unit.providers import test_claude_recorded as claude
from tests.unit.providers import test_recorded_conversations as others

ODD: Final[tuple[Any, ...]] = ([], {}, [[]], {"a": []}, 7, 1.5, True, None, "", "\ud83d")
FROM_AGENT: Final = frozenset({"take_update", "take_permission_request", "take_notification", "take_request"})


def altered(value: Any, odd: Any) -> Iterator[Any]:
    """`value` with each of its parts in turn replaced."""
    yield odd
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        for other in altered(part, odd):
            changed = value.copy()
            changed[key] = other
            yield changed


@pytest.mark.lesson("L63")
@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_l63_odd_fields_of_claude_break_nothing(odd: Any) -> None:
    conversation = claude.BEGINNING
    for entry in claude.RECORDED:
        if entry[0] == "take_message":
            for message in altered(entry[1], odd):
                if isinstance(message, dict):
                    through_json(conversation.take_message(message)[0])
        conversation, _ = claude.taken(conversation, entry)


@pytest.mark.lesson("L63")
@pytest.mark.parametrize("odd", ODD, ids=repr)
@pytest.mark.parametrize("entries", [*others.ACP, *others.CODEX], ids=lambda entries: entries[0][1][:4])
def test_l63_odd_fields_of_acp_and_codex_break_nothing(entries: others.Entries, odd: Any) -> None:
    conversation = others.begun(entries)
    for name, *given in entries[1:]:
        if name in FROM_AGENT:
            for last in altered(given[-1], odd):
                through_json(getattr(conversation, name)(*given[:-1], last)[0])
        conversation, _ = others.taken(conversation, [name, *given])
