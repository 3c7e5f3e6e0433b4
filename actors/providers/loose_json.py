"""Access to fields of JSON from agents, whose types are unknown: another type gives an empty value."""

from __future__ import annotations

from typing import Any

from ...contracts.values import JsonObject


def object_of(value: Any) -> JsonObject:
    return value if isinstance(value, dict) else {}


def list_of(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def text_of(value: Any) -> str:
    return value if isinstance(value, str) else ""
