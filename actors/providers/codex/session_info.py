"""What Codex reports of a thread: its name, models, approval policy and login. Pure.

Source: `codex app-server generate-json-schema`, `ModelListResponse`, `GetAccountResponse`, `ThreadSettings`
"""

from __future__ import annotations

from typing import Any, Final

import attrs

from ....contracts.provider_events import SessionChoice, SessionInfoUpdated
from ....contracts.values import JsonObject
from ..loose_json import list_of, object_of, text_of
from .failures import LOGIN

__all__ = ["INFO_NOTIFICATIONS", "first_info", "with_lists", "with_notification"]

INFO_NOTIFICATIONS: Final = frozenset({"thread/name/updated", "account/updated", "thread/settings/updated"})

_POLICIES: Final = tuple(
    SessionChoice(id=policy, name=name)
    for policy, name in (
        ("untrusted", "Ask for all but trusted commands"),
        ("on-request", "Ask when the model requests it"),
        ("never", "Never ask"),
    )
)
_LOGINS: Final = (SessionChoice(id="login", name=LOGIN),)


def first_info(*, model: str | None, policy: str) -> SessionInfoUpdated:
    """The information about a thread that was opened. Its approval policy is its mode."""
    return SessionInfoUpdated(modes=_POLICIES, current_mode=policy, current_model=model)


def with_lists(info: SessionInfoUpdated, models: Any, account: Any) -> SessionInfoUpdated:
    """The information after the replies to `model/list` and `account/read`."""
    fields = object_of(account)
    needs_account = fields.get("requiresOpenaiAuth")
    login_needed = needs_account and fields.get("account") is None if isinstance(needs_account, bool) else None
    return attrs.evolve(info, models=_models(models), login_needed=login_needed, logins=_LOGINS if login_needed else ())


def with_notification(info: SessionInfoUpdated, method: str, message: JsonObject) -> SessionInfoUpdated:
    """The information after one of these notifications."""
    match method:
        case "thread/name/updated":
            return attrs.evolve(info, title=text_of(message.get("threadName")) or None)
        case "account/updated" if message.get("authMode") is not None:
            return attrs.evolve(info, login_needed=False, logins=())
        case "thread/settings/updated":
            settings = object_of(message.get("threadSettings"))
            return attrs.evolve(
                info,
                current_model=text_of(settings.get("model")) or info.current_model,
                current_mode=text_of(settings.get("approvalPolicy")) or info.current_mode,
            )
    return info


def _models(reply: Any) -> tuple[SessionChoice, ...]:
    """The models of the reply, without hidden ones."""
    return tuple(
        SessionChoice(
            id=model,
            name=text_of(one.get("displayName")) or model,
            description=text_of(one.get("description")) or None,
        )
        for one in map(object_of, list_of(object_of(reply).get("data")))
        if (model := text_of(one.get("model"))) and one.get("hidden") is not True
    )
