"""The guarantees that the demo shows, each looked up in what really happened."""

from __future__ import annotations

import attrs

from ....contracts.events import PersistedEvent
from ....contracts.read_model import ThreadView, TurnView
from ....contracts.values import Unset
from ..output import excerpt
from .script import PROMPTS
from .story import Story


@attrs.frozen(kw_only=True)
class Check:
    """One guarantee, whether it held, and what was seen."""

    guarantee: str
    held: bool
    seen: str


def checks(story: Story) -> tuple[Check, ...]:
    """Every guarantee of the story; the demo succeeds when all held."""
    thread = story.snapshot.threads[0]
    return (
        _check_acknowledged_commands(story),
        _check_resent_commands(story),
        _check_log_gaps(story),
        _check_interrupted_turn(story, thread),
        _check_open_approvals(story),
        Check(
            guarantee="G8 the dead host's agent is gone",
            held=not story.agent_survived,
            seen=f"process {story.first.agent_pid} {'lives' if story.agent_survived else 'has ended'}",
        ),
        _check_queued_turn(thread),
        _check_resumed_session(story, thread),
        _check_agent_memory(thread),
        Check(
            guarantee="the first turn's diff is stored",
            held="+Hello from the first turn." in story.diff.diff,
            seen=f"{len(story.diff.diff.splitlines())} lines",
        ),
        Check(
            guarantee="G5 rows equal a fresh replay, and verify finds nothing",
            held=not story.findings,
            seen="; ".join(f"{one.check}: {one.fault}" for one in story.findings) or "nothing found",
        ),
    )


def _check_acknowledged_commands(story: Story) -> Check:
    last_of = {event.command_id: event.sequence for event in story.timeline if event.command_id is not None}
    missing = [name for name, sequence in story.first.sequences.items() if last_of.get(name) != sequence]
    return Check(
        guarantee="G1 every acknowledged command is in the log",
        held=not missing,
        seen=f"{len(story.first.sequences)} acknowledged, missing: {', '.join(missing) or 'none'}",
    )


def _check_resent_commands(story: Story) -> Check:
    expected = {name: story.first.sequences[name] for name in story.resent}
    return Check(
        guarantee="G2 commands sent again are duplicates with the same answer",
        held=bool(expected) and story.resent == expected,
        seen=f"{len(story.resent)} sent again, nothing appended",
    )


def _check_log_gaps(story: Story) -> Check:
    sequences = [event.sequence for event in story.timeline]
    return Check(
        guarantee="G3 sequences have no gaps",
        held=sequences == list(range(1, len(sequences) + 1)),
        seen=f"1 to {len(sequences)}",
    )


def _check_interrupted_turn(story: Story, thread: ThreadView) -> Check:
    running = [turn for turn in story.at_opening.threads[0].turns if turn.turn_count == 2 and turn.status == "running"]
    statuses = [turn.status for turn in thread.turns]
    return Check(
        guarantee="G8 the turn that the kill interrupted is settled",
        held=not running and statuses[1:2] == ["interrupted"],
        seen=f"turns: {', '.join(statuses)}",
    )


def _check_open_approvals(story: Story) -> Check:
    asked_before_the_kill = {
        approval.request_id
        for approval in story.at_opening.threads[0].pending_approvals
        if approval.request_id.startswith(story.first.provider_session_id)
    }
    left = story.snapshot.threads[0].pending_approvals
    return Check(
        guarantee="G8 no approval waits that nobody can answer",
        held=not asked_before_the_kill and not left,
        seen=f"{len(left)} pending",
    )


def _check_queued_turn(thread: ThreadView) -> Check:
    turn = _turn(thread, 3)
    return Check(
        guarantee="G7 the queued turn ran, once",
        held=len(thread.turns) == len(PROMPTS) and turn is not None and turn.status == "completed",
        seen="missing" if turn is None else f"turn 3: {turn.status}",
    )


def _check_resumed_session(story: Story, thread: ThreadView) -> Check:
    lives = {
        (event.metadata.provider_session_id, event.metadata.provider_thread_id)
        for event in story.timeline
        if isinstance(event, PersistedEvent) and event.metadata.provider_thread_id is not None
    }
    conversations = {conversation for _, conversation in lives}
    return Check(
        guarantee="the agent's session was resumed by another process",
        held=len(conversations) == 1 and len(lives) > 1,
        seen=f"{len(lives)} processes, conversation {', '.join(map(str, conversations))}",
    )


def _check_agent_memory(thread: ThreadView) -> Check:
    turn = _turn(thread, 3)
    messages = () if isinstance(thread.messages, Unset) else thread.messages
    said = [message for message in messages if turn is not None and message.turn_id == turn.turn_id]
    text = "".join(message.text for message in said)
    return Check(
        guarantee="the agent remembers the turns before", held="I remember 2 turns" in text, seen=excerpt(text)
    )


def _turn(thread: ThreadView, count: int) -> TurnView | None:
    return next((turn for turn in thread.turns if turn.turn_count == count), None)
