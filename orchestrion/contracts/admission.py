"""Validation: what a command must be before anything decides on it.

`parse_command` reads a mapping; `admit` takes a command however it was made, normalises it as if it had come over the
wire, and fingerprints it. Both refuse with `InvalidCommand`, before anything is written.

The runtime's own actors use `admit_own`. The ids of their commands begin with `~`; `admit` refuses such an id wherever
a command names something new, from any sender. So no receipt, message or activity of the one can be the other's.

The bytes of attachments leave the command here: it goes on with their digests, and the bytes beside it.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any, Final, get_args

import attrs
import orjson

from .attachments import AttachmentInvalid, take_contents_out
from .blobs import Blob
from .client_checks import client_faults
from .codec import read_strictly, to_json
from .commands import (
    CLIENT_COMMANDS,
    INTERNAL_COMMANDS,
    Command,
    ThreadActivityAppend,
    ThreadSessionSet,
    ThreadTurnStart,
    ThreadTurnSteer,
)
from .errors import InvalidCommand
from .ids import RUNTIME_MARK, is_runtime_id
from .new_names import new_names
from .payload_bounds import bounded_payload
from .values import MAX_COMMAND_BYTES, ActorKind, Label

_COMMANDS: Final[dict[str, type[Command]]] = {
    command.type: command for command in (*CLIENT_COMMANDS, *INTERNAL_COMMANDS)
}
_CLASSES: Final = tuple(_COMMANDS.values())
_ACTORS: Final = get_args(ActorKind)
_FINGERPRINT_BYTES: Final = 16


@attrs.frozen(kw_only=True)
class AdmittedCommand:
    """A normalised command, the fingerprint of its content, and its size in bytes as JSON.

    `blobs` are the contents of its attachments, which the command itself names by their digests. The fingerprint is
    that of the command as it was sent.
    """

    command: Command
    fingerprint: Label
    size: int
    blobs: tuple[Blob, ...] = ()


def parse_command(mapping: Mapping[str, Any]) -> Command:
    """The command that a mapping in wire form (`type`, `commandId`, camelCase) describes.

    Raises:
        InvalidCommand: the type is unknown, or a field is unknown, missing or at fault.
    """
    if not isinstance(mapping, Mapping):
        raise InvalidCommand("$", "expected an object")
    command_id = mapping.get("commandId")
    known_id = command_id if isinstance(command_id, str) else None
    kind = mapping.get("type")
    command_class = _COMMANDS.get(kind) if isinstance(kind, str) else None
    if command_class is None:
        raise InvalidCommand("type", f"{kind!r} is no command", command_id=known_id)
    content = {name: value for name, value in mapping.items() if name != "type"}
    return read_strictly(content, command_class, command_id=known_id)


def command_json(command: Command) -> dict[str, Any]:
    """A command in wire form."""
    return {"type": command.type, **to_json(command)}


def admit(command: Command, actor: ActorKind) -> AdmittedCommand:
    """`command` normalised, if this actor may send it. For commands from outside the runtime.

    Raises:
        InvalidCommand: a field is at fault, names something new by an id that begins with `~`, the command is over
            20 MiB, or a client sent an internal command, a relative directory, a control character in a name, a
            name that is too long, or an attachment whose content does not match its type.
    """
    admitted = _admit(command, actor)
    for path, name in new_names(admitted.command):
        if is_runtime_id(name):
            raise InvalidCommand(
                path,
                f"{name!r} begins with {RUNTIME_MARK!r}: such ids are the runtime's own, choose another",
                command_id=command.command_id,
            )
    if actor == "client":
        for path, fault in client_faults(admitted.command):
            raise InvalidCommand(path, fault, command_id=command.command_id)
    return _without_contents(admitted)


def _without_contents(admitted: AdmittedCommand) -> AdmittedCommand:
    """A command whose attachments are named by their digests, with their contents beside it.

    Raises:
        InvalidCommand: an attachment does not fit its type or size, or has no content.
    """
    command = admitted.command
    if not isinstance(command, ThreadTurnStart | ThreadTurnSteer) or not command.message.attachments:
        return admitted
    try:
        message, blobs = take_contents_out(command.message)
    except AttachmentInvalid as error:
        raise InvalidCommand(error.field, str(error), command_id=command.command_id) from None
    stored = attrs.evolve(command, message=message)
    return attrs.evolve(admitted, command=stored, size=len(orjson.dumps(to_json(stored))), blobs=blobs)


def admit_own(command: Command, actor: ActorKind) -> AdmittedCommand:
    """A command of the runtime's own actors, normalised.

    Raises:
        InvalidCommand: a field is at fault, or the command's id does not begin with `~`.
    """
    if not is_runtime_id(command.command_id):
        raise InvalidCommand(
            "commandId", f"{command.command_id!r} does not begin with {RUNTIME_MARK!r}", command_id=command.command_id
        )
    return _admit(command, actor)


def fingerprint_of(command: Command) -> Label:
    """The fingerprint of a normalised command: that of its content without its id and its instant."""
    return _fingerprint(command_json(command))


def _fingerprint(content: dict[str, Any]) -> Label:
    compared = {name: value for name, value in content.items() if name not in ("commandId", "createdAt")}
    text = orjson.dumps(compared, option=orjson.OPT_SORT_KEYS)
    digest = hashlib.blake2b(text, digest_size=_FINGERPRINT_BYTES).digest()
    return Label(base64.urlsafe_b64encode(digest).rstrip(b"=").decode())


def _admit(command: Command, actor: ActorKind) -> AdmittedCommand:
    if not isinstance(command, _CLASSES):
        raise InvalidCommand("$", f"{type(command).__name__} is no command")
    if actor not in _ACTORS:
        raise InvalidCommand("actor", f"{actor!r} is none of {', '.join(_ACTORS)}")
    command_id = str(command.command_id)
    if actor == "client" and not isinstance(command, CLIENT_COMMANDS):
        raise InvalidCommand(
            "type",
            f"{command.type} is an internal command: only the runtime's own actors send it",
            command_id=command_id,
        )
    content = _wire_form(command)
    normalised = read_strictly(content, type(command), command_id=command_id)
    if isinstance(normalised, ThreadActivityAppend):
        normalised = _with_bounded_payload(normalised)
    if isinstance(normalised, ThreadSessionSet) and normalised.session.thread_id != normalised.thread_id:
        raise InvalidCommand(
            "session.threadId",
            f"is {normalised.session.thread_id!r}, the command's threadId is {normalised.thread_id!r}",
            command_id=command_id,
        )
    if normalised != command:
        content = to_json(normalised)
    content["type"] = normalised.type
    size = len(orjson.dumps(content))
    if size > MAX_COMMAND_BYTES:
        raise InvalidCommand("$", f"the command has {size} bytes, at most {MAX_COMMAND_BYTES}", command_id=command_id)
    return AdmittedCommand(command=normalised, fingerprint=_fingerprint(content), size=size)


def _wire_form(command: Command) -> dict[str, Any]:
    try:
        fields: dict[str, Any] = to_json(command)
    except Exception as error:  # a value of another class than its field's: what that breaks is open-ended
        raise InvalidCommand("$", f"is no {command.type}: {error}", command_id=command.command_id) from None
    return fields


def _with_bounded_payload(command: ThreadActivityAppend) -> ThreadActivityAppend:
    try:
        payload = bounded_payload(command.activity.payload)
    except ValueError as error:
        raise InvalidCommand("activity.payload", str(error), command_id=command.command_id) from None
    return attrs.evolve(command, activity=attrs.evolve(command.activity, payload=payload))
