"""Commands of a test as they are admitted: internal ones by their ids, all others as from a client."""

from __future__ import annotations

from typing import cast

from ..contracts.admission import AdmittedCommand, admit, admit_own
from ..contracts.commands import Command, InternalCommand
from ..contracts.ids import is_runtime_id
from ..contracts.values import ActorKind


def admitted(command: Command, actor: ActorKind) -> AdmittedCommand:
    """`command` normalised as its sender's entry point does: an id that begins with `~` is internal."""
    if actor != "client" and is_runtime_id(command.command_id):
        return admit_own(cast("InternalCommand", command), actor)
    return admit(command, actor)
