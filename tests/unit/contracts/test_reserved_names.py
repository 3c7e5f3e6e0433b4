"""Ids that begin with `~` are reserved: no client command names anything new by one."""

from __future__ import annotations

import attrs
import pytest

from orchestrion.contracts.admission import admit, admit_own
from orchestrion.contracts.commands import Command
from orchestrion.contracts.errors import InvalidCommand
from orchestrion.contracts.ids import (
    ActivityId,
    ApprovalRequestId,
    CommandId,
    MessageId,
    ProjectId,
    ThreadId,
    TurnId,
)
from orchestrion.contracts.values import ActorKind, Label, ProjectScript
from tests.support.builders import (
    activity,
    activity_append,
    approval_respond,
    assistant_complete,
    assistant_delta,
    project_create,
    project_meta_update,
    question_requested,
    session_set,
    thread_create,
    thread_delete,
    turn_interrupt,
    turn_start,
)

pytestmark = pytest.mark.lesson("L46")

OWN = "~s1/7"
SCRIPT = ProjectScript(id=Label(OWN), name=Label("n"), command="c", icon="play", run_on_worktree_create=False)

NAMING: dict[str, tuple[Command, ActorKind]] = {
    "projectId": (attrs.evolve(project_create(), project_id=ProjectId(OWN)), "client"),
    "threadId": (attrs.evolve(thread_create(), thread_id=ThreadId(OWN)), "client"),
    "message.messageId": (turn_start(message_id=OWN), "client"),
    "scripts[0].id": (attrs.evolve(project_meta_update(), scripts=(SCRIPT,)), "client"),
    "messageId": (attrs.evolve(assistant_delta(), message_id=MessageId(OWN)), "server"),
    "activity.id": (activity_append(attrs.evolve(activity(), id=ActivityId(OWN))), "provider"),
    "activity.payload.requestId": (
        activity_append(activity(kind="approval.requested", payload={"requestId": OWN})),
        "server",
    ),
}

REFERRING: list[Command] = [
    attrs.evolve(thread_delete(), thread_id=ThreadId(OWN)),
    attrs.evolve(approval_respond("r"), request_id=ApprovalRequestId(OWN)),
    attrs.evolve(turn_interrupt(), turn_id=TurnId(OWN)),
]


@pytest.mark.parametrize("field", NAMING)
def test_a_name_of_the_runtimes_own_is_refused_by_its_field(field: str) -> None:
    command, actor = NAMING[field]
    with pytest.raises(InvalidCommand, match="runtime's own") as caught:
        admit(command, actor)
    assert (caught.value.field, caught.value.command_id) == (field, command.command_id)


def test_a_form_of_questions_is_a_new_name_too() -> None:
    with pytest.raises(InvalidCommand, match="runtime's own") as caught:
        admit(question_requested(request_id=OWN), "server")
    assert caught.value.field == "activity.payload.requestId"


@pytest.mark.parametrize("actor", ["client", "server", "provider"])
def test_no_sender_outside_names_a_command_as_the_runtime_does(actor: ActorKind) -> None:
    command = turn_start() if actor == "client" else session_set("ready")
    with pytest.raises(InvalidCommand) as caught:
        admit(attrs.evolve(command, command_id=CommandId("~checkpoint/diff/turn")), actor)
    assert caught.value.field == "commandId"


@pytest.mark.parametrize("command", REFERRING, ids=lambda command: command.type)
def test_existing_items_can_be_referred_to_by_any_name(command: Command) -> None:
    admit(command, "client")


def test_messages_of_agents_are_completed_under_the_runtimes_names_alone() -> None:
    message = attrs.evolve(assistant_complete(), message_id=MessageId(OWN))
    with pytest.raises(InvalidCommand):
        admit(message, "server")
    admit_own(attrs.evolve(message, command_id=CommandId("~s1/8")), "provider")


def test_internal_commands_have_reserved_names() -> None:
    with pytest.raises(InvalidCommand, match="does not begin with"):
        admit_own(session_set("ready"), "server")


LOOK_ALIKES = (" ~s1/7", "\uff5es1/7", "\u02dcs1/7", "\u200b~s1/7", "s1/7", "checkpoint/diff/turn")


@pytest.mark.parametrize("name", LOOK_ALIKES)
def test_id_similar_to_a_reserved_one_is_allowed(name: str) -> None:
    command = turn_start(message_id=name)
    assert admit(command, "client").command == command
