"""Validation: what a command must be before it is decided.

One long module: its tests run over the same twenty examples and each of their fields.
"""

from __future__ import annotations

import copy
from typing import Any

import attrs
import orjson
import pytest
from hypothesis import given

from orchestrion.contracts.admission import admit, command_json, parse_command
from orchestrion.contracts.codec import to_json
from orchestrion.contracts.commands import (
    CLIENT_COMMANDS,
    INTERNAL_COMMANDS,
    Command,
    ThreadActivityAppend,
    ThreadTurnStart,
)
from orchestrion.contracts.errors import InvalidCommand
from orchestrion.contracts.ids import CommandId, MessageId, ThreadId, is_runtime_id
from orchestrion.contracts.new_names import new_names
from orchestrion.contracts.values import (
    MAX_ATTACHMENT_BYTES,
    MAX_COMMAND_BYTES,
    MAX_MESSAGE_TEXT,
    UNSET,
    ActorKind,
    Attachment,
    AttachmentName,
    AttachmentSize,
    DataUrl,
    Instant,
    Label,
    MediaType,
    MessageText,
    UserMessage,
)
from tests.support.builders import (
    activity,
    activity_append,
    approval_respond,
    assistant_complete,
    assistant_delta,
    at,
    changed_file,
    checkpoint_revert,
    diff_complete,
    image,
    message_import,
    project_create,
    project_delete,
    project_meta_update,
    queue_update,
    revert_complete,
    script,
    session,
    session_set,
    session_stop,
    steer_queue,
    stored_image,
    thread_create,
    thread_delete,
    thread_meta_update,
    turn_interrupt,
    turn_start,
    turn_steer,
)
from tests.support.strategies import commands

EVERY_FIELD: dict[str, dict[str, Any]] = {
    command.type: command_json(command)
    for command in (
        project_create(default_model="model-1"),
        project_meta_update(
            title=Label("x"), workspace_root=Label("/x"), default_model=Label("m"), scripts=(script(),)
        ),
        project_delete(),
        thread_create(provider="codex", branch="main", worktree_path="/tree"),
        thread_meta_update(title=Label("x"), model=Label("m"), branch=Label("b"), worktree_path=Label("/t")),
        thread_delete(),
        turn_start(attachments=(image(),), model="m", effort="high"),
        turn_steer(attachments=(image(),)),
        queue_update(turn_ids=("turn-1",)),
        steer_queue(cancel_reason="stopped"),
        turn_interrupt(turn_id="turn-1"),
        approval_respond(option_id="once", answers={}),
        checkpoint_revert(revert_others=True),
        session_stop(forget_conversation=True),
        session_set(
            "running", active_turn_id="turn-1", provider_thread_id="theirs", last_error="why", turn_origin="agent"
        ),
        assistant_delta(turn_id="turn-1"),
        assistant_complete(turn_id="turn-1"),
        message_import(),
        diff_complete(files=(changed_file(),), assistant_message_id="m2"),
        activity_append(activity(turn_id="turn-1")),
        revert_complete(),
    )
}
"""Each of the commands in wire form, with every field that it may have."""

ABSENT_ALLOWED = {
    "project.create": {"defaultModel"},
    "project.meta.update": {"title", "workspaceRoot", "defaultModel", "scripts"},
    "thread.create": {"model", "provider"},
    "thread.meta.update": {"title", "model", "branch", "worktreePath"},
    "thread.turn.start": {"model", "effort"},
    "thread.turn.steer.queue": {"cancelReason"},
    "thread.turn.interrupt": {"turnId"},
    "thread.approval.respond": {"optionId", "answers"},
    "thread.checkpoint.revert": {"revertOthers"},
    "thread.session.stop": {"forgetConversation"},
    "thread.session.set": {"turnOrigin"},
    "thread.message.assistant.delta": {"turnId"},
    "thread.message.assistant.complete": {"turnId"},
    "thread.turn.diff.complete": {"assistantMessageId"},
}
NULL_ALLOWED = {
    "project.meta.update": {"defaultModel"},
    "thread.create": {"branch", "worktreePath"},
    "thread.meta.update": {"branch", "worktreePath"},
    "thread.session.set": {
        "session.providerName",
        "session.providerSessionId",
        "session.providerThreadId",
        "session.activeTurnId",
        "session.lastError",
    },
    "thread.activity.append": {"activity.turnId"},
}


def _paths(data: Any, prefix: str = "") -> list[str]:
    """The path of every field of a wire form; the content of an activity's payload is free-form."""
    found: list[str] = []
    for name, value in data.items():
        if prefix == "" and name == "type":
            continue
        path = f"{prefix}{name}"
        found.append(path)
        if isinstance(value, dict) and path != "activity.payload":
            found += _paths(value, f"{path}.")
        elif isinstance(value, list):
            for index, item in enumerate(value):
                found += _paths(item, f"{path}[{index}].") if isinstance(item, dict) else []
    return found


FIELDS = [(kind, path) for kind, wire in EVERY_FIELD.items() for path in _paths(wire)]


def _holder(wire: dict[str, Any], path: str) -> tuple[Any, str]:
    """The object that holds the field at `path`, and the field's name in it."""
    *parents, name = path.split(".")
    holder: Any = wire
    for parent in parents:
        key, bracket, index = parent.partition("[")
        holder = holder[key][int(index.removesuffix("]"))] if bracket else holder[key]
    return holder, name


def _changed(kind: str, path: str, value: Any) -> dict[str, Any]:
    wire = copy.deepcopy(EVERY_FIELD[kind])
    holder, name = _holder(wire, path)
    holder[name] = value
    return wire


def _refused(wire: Any) -> InvalidCommand:
    with pytest.raises(InvalidCommand) as caught:
        parse_command(wire)
    return caught.value


def _refused_at(field: str, kind: str, value: Any) -> None:
    assert _refused(_changed(kind, field, value)).field == field


def test_the_examples_cover_every_field_of_every_command() -> None:
    known = {command.type: command for command in (*CLIENT_COMMANDS, *INTERNAL_COMMANDS)}
    assert set(EVERY_FIELD) == set(known)
    for kind, wire in EVERY_FIELD.items():
        assert len(wire) - 1 == len(attrs.fields(known[kind]))


@pytest.mark.spec("E18", "E20")
@pytest.mark.parametrize("kind", EVERY_FIELD)
def test_a_well_formed_command_is_read(kind: str) -> None:
    command = parse_command(EVERY_FIELD[kind])
    assert command.type == kind
    assert command_json(command) == EVERY_FIELD[kind]


@pytest.mark.spec("E20")
@pytest.mark.parametrize(("kind", "path"), FIELDS)
def test_an_absent_field_is_refused_unless_it_is_optional(kind: str, path: str) -> None:
    wire = copy.deepcopy(EVERY_FIELD[kind])
    holder, name = _holder(wire, path)
    del holder[name]
    if path in ABSENT_ALLOWED.get(kind, ()):
        assert name not in command_json(parse_command(wire))
    else:
        assert _refused(wire).field == path


@pytest.mark.spec("E20")
@pytest.mark.parametrize(("kind", "path"), FIELDS)
def test_null_is_refused_unless_it_is_allowed(kind: str, path: str) -> None:
    wire = _changed(kind, path, None)
    if path in NULL_ALLOWED.get(kind, ()):
        holder, name = _holder(command_json(parse_command(wire)), path)
        assert holder[name] is None
    else:
        assert _refused(wire).field == path


@pytest.mark.spec("E20")
@pytest.mark.parametrize(("kind", "path"), FIELDS)
def test_a_value_of_another_type_is_refused(kind: str, path: str) -> None:
    holder, name = _holder(EVERY_FIELD[kind], path)
    own = type(holder[name])
    for wrong in (5.5, True, 7, "\ud800", [5], {"x": 5}):
        if type(wrong) is not own or own is str:
            assert _refused(_changed(kind, path, wrong)).field.startswith(path)


@pytest.mark.spec("E20")
@pytest.mark.parametrize("kind", EVERY_FIELD)
def test_an_unknown_field_is_refused(kind: str) -> None:
    fault = _refused({**EVERY_FIELD[kind], "surprise": 1})
    assert (fault.field, fault.fault) == ("$", "unknown field 'surprise'")


@pytest.mark.spec("E20")
@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("thread.turn.start", "message"),
        ("thread.turn.start", "message.attachments[0]"),
        ("project.meta.update", "scripts[0]"),
        ("thread.session.set", "session"),
        ("thread.activity.append", "activity"),
        ("thread.turn.diff.complete", "files[0]"),
    ],
)
def test_an_unknown_nested_field_is_refused_by_the_path_of_its_object(kind: str, path: str) -> None:
    fault = _refused(_changed(kind, f"{path}.surprise", 1))
    assert (fault.field, fault.fault) == (path, "unknown field 'surprise'")


@pytest.mark.spec("E20")
def test_snake_case_is_no_field() -> None:
    wire = dict(EVERY_FIELD["project.delete"])
    wire["project_id"] = wire.pop("projectId")
    assert _refused(wire).field in {"projectId", "$"}


@pytest.mark.spec("E20")
@pytest.mark.parametrize("kind", [None, 5, "", "thread.explode", "project.created", ["project.create"]])
def test_an_unknown_type_is_refused(kind: Any) -> None:
    fault = _refused({"type": kind, "commandId": "c1"})
    assert (fault.field, fault.command_id) == ("type", "c1")


@pytest.mark.spec("E20")
def test_a_command_is_an_object_with_a_type() -> None:
    assert _refused([]).field == "$"
    assert _refused({"commandId": 5}).field == "type"


def test_a_refusal_names_the_command_where_it_can() -> None:
    command = EVERY_FIELD["project.delete"]
    assert _refused({**command, "projectId": ""}).command_id == command["commandId"]
    assert _refused({**EVERY_FIELD["project.delete"], "commandId": 5}).command_id is None


@pytest.mark.spec("E20")
@pytest.mark.parametrize(
    ("kind", "path", "accepted"),
    [
        ("thread.approval.respond", "decision", ["accept", "acceptForSession", "decline", "cancel"]),
        (
            "thread.session.set",
            "session.status",
            ["idle", "starting", "running", "ready", "interrupted", "stopped", "error"],
        ),
        ("thread.activity.append", "activity.tone", ["info", "tool", "approval", "error"]),
        ("thread.turn.diff.complete", "status", ["ready", "missing", "error"]),
        ("thread.turn.diff.complete", "files[0].kind", ["added", "modified", "deleted", "renamed"]),
        ("project.meta.update", "scripts[0].icon", ["play", "test", "lint", "configure", "build", "debug"]),
        ("thread.turn.start", "message.role", ["user"]),
        ("thread.turn.start", "message.attachments[0].type", ["image", "file"]),
    ],
)
def test_an_enum_takes_its_values_and_no_other(kind: str, path: str, accepted: list[str]) -> None:
    for value in accepted:
        parse_command(_changed(kind, path, value))
    for value in ("assistant", "ACCEPT", "", "pending", "ready "):
        _refused_at(path, kind, value)


@pytest.mark.spec("E20")
@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("project.create", "title"),
        ("project.create", "workspaceRoot"),
        ("project.create", "defaultModel"),
        ("project.meta.update", "title"),
        ("project.meta.update", "workspaceRoot"),
        ("project.meta.update", "defaultModel"),
        ("thread.create", "title"),
        ("thread.create", "model"),
        ("thread.create", "provider"),
        ("thread.meta.update", "title"),
        ("thread.meta.update", "model"),
        ("thread.turn.start", "model"),
    ],
)
def test_titles_models_and_roots_are_not_empty(kind: str, path: str) -> None:
    _refused_at(path, kind, "")


IDENTIFIED = [(kind, path) for kind, path in FIELDS if path.endswith(("Id", "Ref")) or path == "activity.id"]


@pytest.mark.spec("E20", "E21")
@pytest.mark.parametrize(("kind", "path"), IDENTIFIED)
def test_an_identifier_is_1_to_200_characters_without_control_characters(kind: str, path: str) -> None:
    parse_command(_changed(kind, path, "i" * 200))
    for wrong in ("", "i" * 201, "line\nbreak", "nul\x00", "\x85"):
        _refused_at(path, kind, wrong)


@pytest.mark.spec("E20")
def test_message_text_is_at_most_120_000_characters() -> None:
    parse_command(_changed("thread.turn.start", "message.text", "é" * MAX_MESSAGE_TEXT))
    parse_command(_changed("thread.turn.start", "message.text", ""))
    _refused_at("message.text", "thread.turn.start", "é" * (MAX_MESSAGE_TEXT + 1))
    assert MAX_MESSAGE_TEXT == 120_000


@pytest.mark.spec("E20")
def test_a_message_has_at_most_8_attachments() -> None:
    attachment = EVERY_FIELD["thread.turn.start"]["message"]["attachments"][0]
    for number in (0, 8):
        parse_command(_changed("thread.turn.start", "message.attachments", [attachment] * number))
    _refused_at("message.attachments", "thread.turn.start", [attachment] * 9)


@pytest.mark.spec("E20")
@pytest.mark.parametrize(
    ("name", "accepted", "wrong"),
    [
        ("name", ["n" * 255], ["", "n" * 256]),
        ("mimeType", ["image/png", "image/svg+xml", "text/plain"], ["image/", "/png", "png", ""]),
        ("sizeBytes", [0, MAX_ATTACHMENT_BYTES], [-1, 10 * 1024 * 1024 + 1, "3"]),
        ("dataUrl", ["data:,x"], ["", "data:", "https://example.org/x.png"]),
    ],
)
def test_an_attachment_is_bounded(name: str, accepted: list[Any], wrong: list[Any]) -> None:
    path = f"message.attachments[0].{name}"
    for value in accepted:
        parse_command(_changed("thread.turn.start", path, value))
    for value in wrong:
        _refused_at(path, "thread.turn.start", value)


@pytest.mark.spec("E20")
@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("thread.checkpoint.revert", "turnCount"),
        ("thread.revert.complete", "turnCount"),
        ("thread.turn.diff.complete", "checkpointTurnCount"),
        ("thread.turn.diff.complete", "files[0].additions"),
    ],
)
def test_a_count_is_a_whole_number_that_is_not_negative(kind: str, path: str) -> None:
    parse_command(_changed(kind, path, 0))
    for wrong in (-1, 1.0, True, 2**63, "1"):
        _refused_at(path, kind, wrong)


def _raw(characters: int) -> Attachment:
    """An image of an unknown type, with this many characters of base64."""
    return Attachment(
        type="image",
        name=AttachmentName("raw"),
        mime_type=MediaType("image/x-raw"),
        size_bytes=AttachmentSize(characters // 4 * 3),
        data_url=DataUrl("data:image/x-raw;base64," + "A" * characters),
    )


def _of_size(size: int) -> Command:
    """A command of this many bytes: two images of about half of them each, and text for the last few."""
    first, second = _raw(10_000_000), _raw(10_000_000)
    missing = size - len(orjson.dumps(command_json(turn_start(attachments=(first, second), text=""))))
    second = _raw(10_000_000 + missing // 4 * 4)
    return turn_start(attachments=(first, second), text="t" * (missing % 4))


@pytest.mark.spec("E20")
def test_a_command_is_at_most_20_mib_in_wire_form() -> None:
    assert MAX_COMMAND_BYTES == 20 * 1024 * 1024
    admit(_of_size(MAX_COMMAND_BYTES), "client")
    with pytest.raises(InvalidCommand, match="20971521 bytes"):
        admit(_of_size(MAX_COMMAND_BYTES + 1), "client")


INSTANTS = [(kind, path) for kind, path in FIELDS if path.endswith("At")]


@pytest.mark.spec("E17")
@pytest.mark.parametrize(("kind", "path"), INSTANTS)
def test_instant_is_normalised_in_every_field(kind: str, path: str) -> None:
    command = parse_command(_changed(kind, path, "2026-01-01T02:00:00.5+02:00"))
    holder, name = _holder(command_json(command), path)
    assert holder[name] == "2026-01-01T00:00:00.500Z"
    for wrong in ("2026-01-01T00:00:00", "soon", ""):
        _refused_at(path, kind, wrong)


@pytest.mark.spec("E17")
def test_admission_normalises_a_command_that_was_made_in_python() -> None:
    admitted = admit(session_stop(created_at=Instant("2026-01-01T02:00:00+02:00")), "client")
    assert command_json(admitted.command)["createdAt"] == "2026-01-01T00:00:00.000Z"


@pytest.mark.spec("E20")
@pytest.mark.parametrize(
    "wrong",
    [{"message": None}, {"message": 5}, {"message": {"messageId": "m1"}}, {"created_at": None}, {"thread_id": ""}],
    ids=repr,
)
def test_admission_refuses_a_malformed_command_that_was_made_in_python(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidCommand):
        admit(attrs.evolve(turn_start(), **wrong), "client")


@pytest.mark.spec("E19", "R21")
@pytest.mark.parametrize("command", CLIENT_COMMANDS, ids=lambda command: command.type)
def test_a_client_may_send_client_commands(command: type[Command]) -> None:
    admit(parse_command(EVERY_FIELD[command.type]), "client")
    assert not [path for path in _paths(EVERY_FIELD[command.type]) if "provider" in path and path != "provider"]


@pytest.mark.spec("E19")
@pytest.mark.parametrize("command", INTERNAL_COMMANDS, ids=lambda command: command.type)
def test_a_client_may_not_send_internal_commands(command: type[Command]) -> None:
    internal = parse_command(EVERY_FIELD[command.type])
    with pytest.raises(InvalidCommand) as caught:
        admit(internal, "client")
    assert (caught.value.field, caught.value.command_id) == ("type", internal.command_id)
    admit(internal, "server")
    admit(internal, "provider")


@pytest.mark.spec("E43")
def test_a_session_belongs_to_the_thread_of_its_command() -> None:
    strange = attrs.evolve(session_set("ready", thread_id="t1"), session=session("ready", thread_id="t2"))
    with pytest.raises(InvalidCommand, match="t2") as caught:
        admit(strange, "server")
    assert caught.value.field == "session.threadId"


@pytest.mark.spec("E12")
def test_the_fingerprint_leaves_out_the_command_id_and_its_instant() -> None:
    first = admit(turn_start(command_id="c1", created_at=at(1)), "client").fingerprint
    assert admit(turn_start(command_id="c2", created_at=at(2)), "client").fingerprint == first
    assert admit(turn_start(text="other"), "client").fingerprint != first
    assert admit(attrs.evolve(turn_start(), thread_id=ThreadId("t2")), "client").fingerprint != first


@pytest.mark.spec("E12")
def test_equal_content_has_one_fingerprint_however_it_is_spelled() -> None:
    utc = diff_complete(completed_at=Instant("2026-01-01T00:00:00Z"))
    offset = diff_complete(completed_at=Instant("2026-01-01T02:00:00.000+02:00"))
    assert admit(utc, "server").fingerprint == admit(offset, "server").fingerprint
    assert admit(diff_complete(completed_at=at(1)), "server").fingerprint != admit(utc, "server").fingerprint


@pytest.mark.spec("E12")
def test_the_fingerprint_does_not_depend_on_the_order_of_fields() -> None:
    wire = EVERY_FIELD["thread.activity.append"]
    forward = _changed("thread.activity.append", "activity.payload", {"a": 1, "b": {"c": 2, "d": 3}})
    backward = _changed("thread.activity.append", "activity.payload", {"b": {"d": 3, "c": 2}, "a": 1})
    backward = {name: backward[name] for name in reversed(wire)}
    assert admit(parse_command(forward), "server").fingerprint == admit(parse_command(backward), "server").fingerprint


@pytest.mark.spec("E12")
def test_fingerprint_distinguishes_types_and_absent_from_null() -> None:
    kinds: list[Command] = [
        project_meta_update("x"),
        project_meta_update("x", default_model=None),
        project_meta_update("x", default_model=Label("m")),
        project_delete("x"),
        thread_delete("x"),
    ]
    assert len({admit(command, "client").fingerprint for command in kinds}) == len(kinds)


@pytest.mark.spec("E42")
def test_an_activity_payload_is_cut_before_anything_decides_on_it() -> None:
    admitted = admit(activity_append(activity(payload={"output": "x" * 100_000})), "server").command
    assert isinstance(admitted, ThreadActivityAppend)
    assert len(orjson.dumps(admitted.activity.payload)) <= 64 * 1024
    assert "… [cut: " in admitted.activity.payload["output"]


@pytest.mark.spec("E42")
def test_an_activity_payload_that_cannot_be_cut_is_refused() -> None:
    with pytest.raises(InvalidCommand) as caught:
        admit(activity_append(activity(payload={"numbers": [10**9] * 10_000})), "server")
    assert caught.value.field == "activity.payload"


def _without_attachments(command: Command) -> Command:
    """Admission takes their contents out, so that they are not sent twice."""
    if not isinstance(command, ThreadTurnStart):
        return command
    return attrs.evolve(command, message=attrs.evolve(command.message, attachments=()))


@pytest.mark.spec("E81")
def test_admission_takes_the_contents_of_attachments_out() -> None:
    sent = turn_start(attachments=(image(), image("b.png")))
    admitted = admit(sent, "client")
    assert isinstance(admitted.command, ThreadTurnStart)
    assert admitted.command.message.attachments == (stored_image(), stored_image("b.png"))
    assert [blob.digest for blob in admitted.blobs] == [stored_image().digest] * 2
    assert admitted.size == len(orjson.dumps(to_json(admitted.command)))
    bare = admit(_without_attachments(sent), "client")
    assert bare.blobs == ()
    assert bare.fingerprint != admitted.fingerprint


@pytest.mark.spec("E81")
@pytest.mark.parametrize("actor", ["client", "server"])
def test_stored_attachment_in_a_command_is_refused(actor: ActorKind) -> None:
    message = UserMessage(message_id=MessageId("m1"), text=MessageText(""), attachments=(stored_image(),))
    with pytest.raises(InvalidCommand) as caught:
        admit(attrs.evolve(turn_start(), message=message), actor)
    assert caught.value.field == "message.attachments[0].digest"


@given(commands().filter(lambda command: not any(is_runtime_id(name) for _, name in new_names(command))))
def test_admission_is_stable(command: Command) -> None:
    once = admit(_without_attachments(command), "server")
    again = admit(attrs.evolve(once.command, command_id=CommandId("another")), "server")
    assert again.fingerprint == once.fingerprint
    assert attrs.evolve(again.command, command_id=command.command_id) == once.command


def test_optional_fields_are_unset_in_python() -> None:
    assert project_create().default_model is UNSET
