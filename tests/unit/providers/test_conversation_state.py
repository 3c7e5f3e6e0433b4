"""The state of a conversation is written as JSON and read back as the same value."""

from __future__ import annotations

import pytest

from orchestrion.actors.providers.conversation_state import dump_state, load_state
from orchestrion.actors.providers.ignored_frames import IgnoredFrames


def test_a_state_is_read_as_it_was_written() -> None:
    state, _ = IgnoredFrames().add("of tomorrow \ud83d")
    text = dump_state(state)
    assert text.isascii()
    assert load_state(text, IgnoredFrames) == state


@pytest.mark.parametrize("text", ["", "[]", '{"counts": 7}'])
def test_a_text_that_is_no_state_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a state of IgnoredFrames"):
        load_state(text, IgnoredFrames)


def test_ignored_messages_are_reported_by_their_growth() -> None:
    frames, reports = IgnoredFrames(), list[int]()
    for number in range(1, 200):
        frames, notices = frames.add(f"kind {number % 40}")
        reports += [number] * len(notices)
    assert reports == [1, 100]
    assert len(frames.counts) == 33
    assert sum(frames.counts.values()) == 199


def test_a_count_leaves_the_value_before_it_as_it_was() -> None:
    before, _ = IgnoredFrames().add("one")
    before.add("one")
    assert before.counts == {"one": 1}
