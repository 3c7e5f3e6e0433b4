"""What the turns of a thread used: the sum of their `usage.updated` activities, one row per turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import orjson
import peewee

from ..contracts.read_model import ThreadUsage
from ..domain.usage import COST_DIGITS, USAGE_UPDATED

__all__ = ["read_usage"]

_SUMS: Final = ("inputTokens", "cachedInputTokens", "outputTokens", "reasoningTokens", "costUsd")
_COLUMNS: Final = ", ".join(f"SUM(json_extract(payload_json, '$.{key}'))" for key in _SUMS)
_QUERY: Final = (
    # With MAX(rowid), payload_json is that of the latest row: https://sqlite.org/lang_select.html#bareagg
    f"SELECT thread_id, {_COLUMNS}, payload_json, MAX(rowid) FROM projection_thread_activities"
    f" WHERE kind = '{USAGE_UPDATED}'"
)


def read_usage(database: peewee.SqliteDatabase, thread_id: str | None) -> dict[str, ThreadUsage]:
    """The usage of a thread, or of all, by their ids: one query through a partial index."""
    only, parameters = ("", ()) if thread_id is None else (" AND thread_id = ?", (thread_id,))
    rows = database.execute_sql(f"{_QUERY}{only} GROUP BY thread_id", parameters).fetchall()
    return {row[0]: _usage_of(row[1:6], orjson.loads(row[6])) for row in rows}


def _usage_of(sums: Sequence[Any], latest: dict[str, Any]) -> ThreadUsage:
    *tokens, cost = sums
    return ThreadUsage(
        input_tokens=tokens[0],
        cached_input_tokens=tokens[1],
        output_tokens=tokens[2],
        reasoning_tokens=tokens[3],
        cost_usd=None if cost is None else round(cost, COST_DIGITS),
        context_window=latest.get("contextWindow"),
        context_used=latest.get("contextUsed"),
        model=latest.get("model"),
    )
