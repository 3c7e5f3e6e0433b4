"""Claude's plans: a list that `TodoWrite` replaces, or the tasks of `TaskCreate` and `TaskUpdate`, one by one. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import attrs

from ....contracts.provider_events import PlanUpdated
from ....contracts.values import JsonObject
from ..agent_ids import bounded_id
from ..loose_json import list_of, object_of, text_of

__all__ = ["PLANNING_TOOLS", "TaskList"]

PLANNING_TOOLS: Final = frozenset({"TodoWrite", "TaskCreate", "TaskUpdate"})

_MAX_SUMMARY: Final = 500
_MAX_TASKS: Final = 200
_NUMBER: Final = re.compile(r"#(\w{1,20})")


@attrs.frozen(kw_only=True)
class TaskList:
    """The plan of a session. Tasks are kept across turns, as the agent does.

    `unnamed` has the assumed number of each task whose creating call has no result yet, by the call's id.
    """

    tasks: Mapping[str, JsonObject] = attrs.field(factory=dict[str, JsonObject])
    created: int = 0
    unnamed: Mapping[str, str] = attrs.field(factory=dict[str, str])

    def take_call(self, tool_use_id: str, name: str, given: JsonObject) -> tuple[TaskList, tuple[PlanUpdated, ...]]:
        """The plan after a call of a planning tool, and the plan to report."""
        match name:
            case "TodoWrite":
                return self, (_updated([object_of(entry) for entry in list_of(given.get("todos"))]),)
            case "TaskCreate" if len(self.tasks) < _MAX_TASKS:
                after = self._create(tool_use_id, text_of(given.get("subject"))[:_MAX_SUMMARY])
            case "TaskUpdate" if given.get("status") == "deleted":
                key = str(given.get("taskId"))
                after = attrs.evolve(self, tasks={one: task for one, task in self.tasks.items() if one != key})
            case "TaskUpdate" if (key := str(given.get("taskId"))) in self.tasks:
                changed = {"content": text_of(given.get("subject")), "status": text_of(given.get("status"))}
                task = {**self.tasks[key], **{one: text[:_MAX_SUMMARY] for one, text in changed.items() if text}}
                after = attrs.evolve(self, tasks={**self.tasks, key: task})
            case _:
                return self, ()
        return after, (_updated([dict(task) for task in after.tasks.values()]),)

    def take_result(self, tool_use_id: str, output: str) -> TaskList:
        """Take the result of a call that created a task: the agent's number of that task."""
        tool_use_id = bounded_id(tool_use_id)
        key, number = self.unnamed.get(tool_use_id), _NUMBER.search(output)
        if key is None:
            return self
        unnamed = {call: one for call, one in self.unnamed.items() if call != tool_use_id}
        tasks = self.tasks
        if number is not None and number[1] != key and number[1] not in tasks:
            tasks = {number[1] if one == key else one: task for one, task in tasks.items()}
        return attrs.evolve(self, tasks=tasks, unnamed=unnamed)

    def _create(self, tool_use_id: str, content: str) -> TaskList:
        key = str(self.created + 1)
        return TaskList(
            tasks={**self.tasks, key: {"content": content, "status": "pending"}},
            created=self.created + 1,
            unnamed={**dict(list(self.unnamed.items())[-_MAX_TASKS:]), bounded_id(tool_use_id): key},
        )


def _updated(entries: list[JsonObject]) -> PlanUpdated:
    steps = "; ".join(text_of(entry.get("content")) for entry in entries)
    return PlanUpdated(summary=steps[:_MAX_SUMMARY], detail={"entries": entries})
