"""The load under which a host is killed: worker and number determine the command, in any process."""

from __future__ import annotations

from typing import Final

from orchestrion.contracts.commands import Command
from orchestrion.contracts.values import ActorKind, Label
from tests.support import builders as make

WORKERS: Final = 8


def load_command(worker: int, number: int) -> tuple[Command, ActorKind]:
    """A worker's n-th command: its project, its thread, then turn starts, streamed text, tools and new titles."""
    command_id, thread, moment = f"w{worker}-{number}", f"t{worker}", make.at(number)
    if number == 0:
        return make.project_create(f"p{worker}", command_id=command_id, created_at=moment), "client"
    if number == 1:
        create = make.thread_create(thread, project_id=f"p{worker}", command_id=command_id, created_at=moment)
        return create, "client"
    match number % 4:
        case 0:
            asked = make.turn_start(thread, f"m{worker}-{number}", command_id=command_id, created_at=moment)
            return asked, "client"
        case 1:
            activity = make.activity(f"a{worker}-{number}", created_at=moment)
            return make.activity_append(activity, thread_id=thread, command_id=command_id), "server"
        case 2:
            return make.thread_meta_update(thread, title=Label(f"Title {number}"), command_id=command_id), "client"
        case _:
            words = make.assistant_delta(
                f"answer-{worker}", f"word {number} ", thread_id=thread, command_id=command_id, created_at=moment
            )
            return words, "server"
