"""What the import of a conversation adds to a thread: ids, order, what is new, and when nothing is added."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import attrs
import pytest

from orchestrion.contracts.admission import admit_own
from orchestrion.contracts.commands import ThreadActivityAppend, ThreadMessageImport, ThreadSessionSet
from orchestrion.contracts.conversations import (
    ConversationHistory,
    ListedConversation,
    PastActivity,
    PastItem,
    PastMessage,
)
from orchestrion.contracts.ids import ActivityId, ProjectId, ProviderItemId, ProviderThreadId, TurnId, is_runtime_id
from orchestrion.contracts.provider_events import ToolCompleted
from orchestrion.contracts.read_model import MessageView, ThreadView, TurnView
from orchestrion.contracts.values import MAX_MESSAGE_BYTES, UNSET, Activity, Label
from orchestrion.domain.imports import ImportPlan, ImportRefusal, import_thread_id, is_imported, plan_import
from tests.support.builders import at

ITEMS: Final[tuple[PastItem, ...]] = (
    PastMessage(role="user", text="Roll the dough", at=at(1)),
    PastActivity(event=ToolCompleted(item=ProviderItemId("tool-1"), title="roll", detail={"output": "flat"}), at=at(2)),
    PastMessage(role="assistant", text="Rolled."),
)


def history(items: Sequence[PastItem] = ITEMS, *, session_id: str = "s-1", title: str = "Dough") -> ConversationHistory:
    listed = ListedConversation(
        session_id=ProviderThreadId(session_id), directory="/bakery", title=title, created_at=at(0)
    )
    return ConversationHistory(conversation=listed, items=tuple(items), cursor={"sessionId": session_id})


def planned(of: ConversationHistory, known: ThreadView | None = None) -> ImportPlan | ImportRefusal:
    return plan_import(
        of,
        provider_name=Label("baker"),
        adapter_key=Label("acp"),
        project_id=ProjectId("p1"),
        known=known,
        now=at(9),
    )


def plan(of: ConversationHistory, known: ThreadView | None = None) -> ImportPlan:
    made = planned(of, known)
    assert isinstance(made, ImportPlan)
    return made


def thread_of(made: ImportPlan) -> ThreadView:
    """The thread after these commands, as its projections have it."""
    commands = [one.command for one in made.commands]
    messages = [one for one in commands if isinstance(one, ThreadMessageImport)]
    sessions = [one.session for one in commands if isinstance(one, ThreadSessionSet)]
    return ThreadView(
        id=made.state.thread_id,
        project_id=ProjectId("p1"),
        title="Dough",
        model="",
        branch=None,
        worktree_path=None,
        latest_turn_id=None,
        created_at=at(0),
        updated_at=at(9),
        deleted_at=None,
        session=sessions[-1],
        turns=(),
        pending_approvals=(),
        messages=tuple(
            MessageView(
                id=one.message_id,
                role=one.role,
                text=one.text,
                turn_id=None,
                streaming=False,
                created_at=one.created_at,
                updated_at=one.created_at,
            )
            for one in messages
        ),
        activities=tuple(one.activity for one in commands if isinstance(one, ThreadActivityAppend)),
    )


@pytest.mark.spec("E64")
def test_items_become_messages_and_activities_of_no_turn_in_order() -> None:
    made = plan(history())
    assert made.create is not None
    assert (made.create.title, made.create.provider, made.create.created_at) == ("Dough", "baker", at(0))
    bound, first, tool, last, note = (one.command for one in made.commands)
    assert isinstance(bound, ThreadSessionSet)
    assert (bound.session.status, bound.session.provider_thread_id) == ("stopped", "s-1")
    assert isinstance(first, ThreadMessageImport)
    assert isinstance(last, ThreadMessageImport)
    assert [(one.role, one.text, one.created_at) for one in (first, last)] == [
        ("user", "Roll the dough", at(1)),
        ("assistant", "Rolled.", at(2)),
    ]
    assert isinstance(tool, ThreadActivityAppend)
    assert (tool.activity.kind, tool.activity.turn_id, tool.created_at) == ("tool.completed", None, at(2))
    assert isinstance(note, ThreadActivityAppend)
    assert note.activity.payload == {"sessionId": "s-1", "directory": "/bakery", "items": 3}


@pytest.mark.spec("E64")
def test_ids_are_the_runtimes_own_and_the_same_each_time() -> None:
    first, second = plan(history()), plan(history())
    ids = [one.command.command_id for one in first.commands]
    assert ids == [one.command.command_id for one in second.commands]
    assert len(set(ids)) == len(ids)
    assert all(is_runtime_id(one) for one in (*ids, first.state.thread_id))
    assert first.state.thread_id == import_thread_id("baker", ProviderThreadId("s-1")) == "~import/baker/s-1"
    assert is_imported(first.state.thread_id)
    for one in first.commands:
        admit_own(one.command, "server")


@pytest.mark.parametrize("session_id", ["s" * 200, "s-\n1", "s-\u009f"])
def test_id_that_does_not_fit_is_replaced_by_its_digest(session_id: str) -> None:
    made = plan(history(session_id=session_id))
    assert made.state.thread_id.startswith("~import/")
    assert session_id not in made.state.thread_id
    other = import_thread_id("baker", ProviderThreadId(f"{session_id}2"))
    assert other != made.state.thread_id
    assert made.create is not None
    admit_own(made.create, "server")


@pytest.mark.spec("E66")
def test_conversation_imported_again_adds_nothing() -> None:
    again = plan(history(), thread_of(plan(history())))
    assert (again.create, again.commands, again.added) == (None, (), 0)


@pytest.mark.spec("E66")
def test_conversation_that_has_grown_adds_what_is_new() -> None:
    known = thread_of(plan(history()))
    more = PastMessage(role="user", text="Now bake it", at=at(5))
    grown = plan(history((*ITEMS, more)), known)
    said, note = (one.command for one in grown.commands)
    assert isinstance(said, ThreadMessageImport)
    assert (said.command_id, said.text) == ("~import/baker/s-1/4", "Now bake it")
    assert isinstance(note, ThreadActivityAppend)
    assert (note.command_id, note.activity.payload["items"]) == ("~import/baker/s-1/added/4", 1)


@pytest.mark.spec("E66")
def test_interrupted_import_is_completed_by_the_same_import() -> None:
    whole = plan(history())
    begun = thread_of(attrs.evolve(whole, commands=whole.commands[:2]))
    rest = plan(history(), begun)
    assert [one.command.command_id for one in rest.commands] == [
        one.command.command_id for one in (*whole.commands[2:4], whole.commands[4])
    ]


def turn() -> TurnView:
    return TurnView(
        turn_id=TurnId("turn-1"),
        turn_count=1,
        status="completed",
        user_message_id=None,
        assistant_message_id=None,
        started_at=at(6),
        completed_at=at(7),
    )


@pytest.mark.spec("E66")
def test_nothing_is_added_to_a_thread_that_goes_on_by_itself() -> None:
    known = attrs.evolve(thread_of(plan(history())), turns=(turn(),))
    refusal = planned(history((*ITEMS, PastMessage(role="user", text="More"))), known)
    assert isinstance(refusal, ImportRefusal)
    assert refusal.outcome == "continued"
    assert "turns of its own" in refusal.reason


@pytest.mark.spec("E66")
@pytest.mark.parametrize(
    "items",
    [ITEMS[:1], (PastMessage(role="user", text="Knead the dough"), *ITEMS[1:]), (ITEMS[0], ITEMS[2])],
)
def test_nothing_is_added_where_the_record_reads_differently(items: Sequence[PastItem]) -> None:
    refusal = planned(history(items), thread_of(plan(history())))
    assert isinstance(refusal, ImportRefusal)
    assert refusal.outcome == "refused"
    assert "reads differently" in refusal.reason


@pytest.mark.spec("E66")
def test_nothing_is_added_to_a_deleted_thread() -> None:
    refusal = planned(history(), attrs.evolve(thread_of(plan(history())), deleted_at=at(8)))
    assert isinstance(refusal, ImportRefusal)
    assert (refusal.outcome, refusal.reason) == ("refused", "thread '~import/baker/s-1' was deleted")


def test_long_texts_and_titles_are_cut_and_broken_characters_repaired() -> None:
    items = [PastMessage(role="assistant", text="\ud83d" + "x" * (MAX_MESSAGE_BYTES + 1))]
    made = plan(history(items, title="one\ntwo " * 60))
    said = made.commands[1].command
    assert isinstance(said, ThreadMessageImport)
    assert len(said.text.encode()) <= MAX_MESSAGE_BYTES
    assert said.text.startswith("\ufffdx")
    assert "[cut: " in said.text
    assert made.create is not None
    assert len(made.create.title) <= 80
    assert "\n" not in made.create.title
    known = thread_of(made)
    assert plan(history(items, title="other"), known).added == 0


def test_activities_of_a_host_are_not_taken_for_imported_ones() -> None:
    known = thread_of(plan(history()))
    assert known.activities is not UNSET
    own = Activity(
        id=ActivityId("7"),
        tone="info",
        kind=Label("note"),
        summary="mine",
        payload={},
        turn_id=None,
        created_at=at(8),
    )
    noted = attrs.evolve(known, activities=(*known.activities, own))
    assert plan(history(), noted).added == 0
