"""Commands of a test as they are admitted: the runtime's own by their ids, all others as from outside."""

from __future__ import annotations

from typing import cast

from orchestrion.contracts.admission import AdmittedCommand, admit, admit_own
from orchestrion.contracts.commands import Command, InternalCommand
from orchestrion.contracts.ids import is_runtime_id
from orchestrion.contracts.values import ActorKind


def admitted(command: Command, actor: ActorKind) -> AdmittedCommand:
    """`command` normalised by the entrance that its sender uses: an id that begins with `~` is the runtime's."""
    if actor != "client" and is_runtime_id(command.command_id):
        return admit_own(cast("InternalCommand", command), actor)
    return admit(command, actor)
