"""The activity that names the provider for which a thread was created, and how it is read.

It is derived from `thread.created`. Once the thread has a session, that names the provider.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..contracts.events import PersistedEvent, ThreadCreated
from ..contracts.ids import ActivityId, runtime_id
from ..contracts.values import Activity, Label, Unset

THREAD_PROVIDER: Final = "thread.provider"
"""The kind of the activity."""


def provider_activity(event: PersistedEvent, created: ThreadCreated) -> Activity | None:
    """The activity of a thread that was created for a provider; None for another thread."""
    if isinstance(created.provider, Unset):
        return None
    return Activity(
        id=ActivityId(runtime_id("provider", event.event_id)),
        tone="info",
        kind=Label(THREAD_PROVIDER),
        summary=f"The thread is for the provider {created.provider}",
        payload={"name": created.provider},
        turn_id=None,
        created_at=created.created_at,
    )


def provider_of(payload: Mapping[str, Any]) -> str | None:
    """The name that the payload of an activity gives."""
    name = payload.get("name")
    return name if isinstance(name, str) and name else None
