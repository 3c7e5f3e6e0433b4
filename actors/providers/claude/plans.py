"""Claude's plans: a list that `TodoWrite` replaces, or tasks that `TaskCreate` and `TaskUpdate` keep one by one."""

from __future__ import annotations

import re
from typing import Final

from ....contracts.provider_events import PlanUpdated
from ....contracts.values import JsonObject
from ..loose_json import list_of, object_of, text_of

__all__ = ["PLANNING_TOOLS", "Plan"]

PLANNING_TOOLS: Final = frozenset({"TodoWrite", "TaskCreate", "TaskUpdate"})

_MAX_SUMMARY: Final = 500
_MAX_TASKS: Final = 200
_NUMBER: Final = re.compile(r"#(\w{1,20})")


class Plan:
    """The plan of a session. Tasks stay from turn to turn, as the agent keeps them."""

    def __init__(self) -> None:
        self._tasks: dict[str, JsonObject] = {}
        self._created = 0
        self._unnamed: dict[str, str] = {}

    def used(self, tool_use_id: str, name: str, given: JsonObject) -> tuple[PlanUpdated, ...]:
        """What a call of a planning tool makes of the plan."""
        match name:
            case "TodoWrite":
                return (_updated([object_of(entry) for entry in list_of(given.get("todos"))]),)
            case "TaskCreate" if len(self._tasks) < _MAX_TASKS:
                self._created += 1
                key = str(self._created)
                self._unnamed[tool_use_id] = key
                self._tasks[key] = {"content": text_of(given.get("subject"))[:_MAX_SUMMARY], "status": "pending"}
            case "TaskUpdate":
                key = str(given.get("taskId"))
                if given.get("status") == "deleted":
                    self._tasks.pop(key, None)
                elif key in self._tasks:
                    changed = {"content": text_of(given.get("subject")), "status": text_of(given.get("status"))}
                    self._tasks[key] |= {one: text[:_MAX_SUMMARY] for one, text in changed.items() if text}
                else:
                    return ()
            case _:
                return ()
        return (_updated([dict(task) for task in self._tasks.values()]),)

    def answered(self, tool_use_id: str, output: str) -> None:
        """The agent says by which number it keeps a task that was created."""
        key, number = self._unnamed.pop(tool_use_id, None), _NUMBER.search(output)
        if key is not None and number is not None and number[1] != key and number[1] not in self._tasks:
            self._tasks = {number[1] if one == key else one: task for one, task in self._tasks.items()}


def _updated(entries: list[JsonObject]) -> PlanUpdated:
    steps = "; ".join(text_of(entry.get("content")) for entry in entries)
    return PlanUpdated(summary=steps[:_MAX_SUMMARY], detail={"entries": entries})
