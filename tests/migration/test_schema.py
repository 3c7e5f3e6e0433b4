"""The migrated schema is the contract's, and the models have its columns.

Long because the contract's thirteen tables are written out here by hand, independently of the migrations.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TypeAlias, get_args

import attrs
import peewee
import pytest

from orchestrion.contracts.events import INTENT_TYPES
from orchestrion.contracts.values import (
    ActorKind,
    AggregateKind,
    ApprovalDecision,
    ApprovalStatus,
    CheckpointStatus,
    Instant,
    MessageRole,
    ReceiptStatus,
    SessionRuntimeStatus,
    SessionStatus,
    Tone,
    TurnStatus,
)
from orchestrion.migrations import migrate
from orchestrion.migrations.runner import load
from orchestrion.persistence.database import prepare
from orchestrion.persistence.models import ALL_MODELS

NOW = Instant("2026-01-02T03:04:05.678Z")
BOOKKEEPING = {"orchestrion_migrations", "orchestrion_projector_versions"}
ATTACHMENTS = "(event_type = 'thread.activity-appended') AND (instr(payload_json, '\"digest\":\"sha256:') > 0)"
INTENTS = (
    "event_type IN ('thread.turn-start-requested', 'thread.turn-interrupt-requested', "
    "'thread.approval-response-requested', 'thread.checkpoint-revert-requested', "
    "'thread.session-stop-requested', 'thread.turn-steer-requested')"
)

Value: TypeAlias = str | int | None


@attrs.frozen(kw_only=True)
class Contract:
    """A table: `?` marks a nullable column, `int` a number; keys and indexes by their columns, `a,b`."""

    columns: str
    key: str = ""
    unique: frozenset[str] = frozenset()
    index: frozenset[str] = frozenset()
    partial: frozenset[tuple[str, str]] = frozenset()
    enums: dict[str, str] = attrs.field(factory=dict)
    least: dict[str, int] = attrs.field(factory=dict)
    json: str = ""
    flags: str = ""


CONTRACT = {
    "orchestration_events": Contract(
        columns="sequence int, event_id, aggregate_kind, stream_id, stream_version int, event_type, occurred_at, "
        "command_id?, causation_event_id?, correlation_id?, actor_kind, payload_json, metadata_json",
        key="sequence",
        unique=frozenset({"event_id", "aggregate_kind,stream_id,stream_version"}),
        index=frozenset({"aggregate_kind,stream_id,sequence", "command_id", "correlation_id"}),
        partial=frozenset(
            {
                ("sequence", INTENTS),
                ("stream_id,sequence", INTENTS),
                ("stream_id,sequence", "event_type = 'thread.queue-updated'"),
                ("causation_event_id", "causation_event_id IS NOT NULL"),
                ("stream_id,sequence", ATTACHMENTS),
            }
        ),
        enums={"aggregate_kind": "project thread", "actor_kind": "client server provider"},
        least={"sequence": 1, "stream_version": 1},
        json="payload_json metadata_json",
    ),
    "orchestration_command_receipts": Contract(
        columns="command_id, aggregate_kind, aggregate_id, accepted_at, result_sequence int, status, error?",
        key="command_id",
        index=frozenset({"aggregate_kind,aggregate_id", "result_sequence"}),
        enums={"aggregate_kind": "project thread", "status": "accepted rejected"},
        least={"result_sequence": 0},
    ),
    "checkpoint_diff_blobs": Contract(
        columns="thread_id, from_turn_count int, to_turn_count int, diff, created_at",
        unique=frozenset({"thread_id,from_turn_count,to_turn_count"}),
        index=frozenset({"thread_id,to_turn_count"}),
        least={"from_turn_count": 0, "to_turn_count": 0},
    ),
    "provider_session_runtime": Contract(
        columns="provider_session_id, thread_id, provider_name, adapter_key, provider_thread_id?, status, "
        "last_seen_at, resume_cursor_json?, runtime_payload_json?",
        key="provider_session_id",
        index=frozenset({"thread_id", "status", "provider_name"}),
        partial=frozenset({("thread_id", "status IN ('starting', 'running')")}),
        enums={"status": "starting running stopped error"},
        json="resume_cursor_json runtime_payload_json",
    ),
    "projection_projects": Contract(
        columns="project_id, title, workspace_root, default_model?, scripts_json, created_at, updated_at, deleted_at?",
        key="project_id",
        index=frozenset({"updated_at"}),
        json="scripts_json",
    ),
    "projection_threads": Contract(
        columns="thread_id, project_id, title, model, branch?, worktree_path?, latest_turn_id?, created_at, "
        "updated_at, deleted_at?",
        key="thread_id",
        index=frozenset({"project_id"}),
    ),
    "projection_thread_messages": Contract(
        columns="message_id, thread_id, turn_id?, role, text, is_streaming int, created_at, updated_at",
        key="message_id",
        index=frozenset({"thread_id,created_at"}),
        partial=frozenset({("thread_id", "is_streaming = 1")}),
        enums={"role": "user assistant system"},
        flags="is_streaming",
    ),
    "projection_thread_activities": Contract(
        columns="activity_id, thread_id, turn_id?, tone, kind, summary, payload_json, created_at",
        key="activity_id",
        index=frozenset({"thread_id,created_at"}),
        partial=frozenset({("thread_id", "kind = 'turn.failed'"), ("thread_id", "kind = 'usage.updated'")}),
        enums={"tone": "info tool approval error"},
        json="payload_json",
    ),
    "projection_thread_sessions": Contract(
        columns="thread_id, status, provider_name?, provider_session_id?, provider_thread_id?, active_turn_id?, "
        "last_error?, updated_at",
        key="thread_id",
        index=frozenset({"provider_session_id"}),
        enums={"status": "idle starting running ready interrupted stopped error"},
    ),
    "projection_thread_turns": Contract(
        columns="turn_id, thread_id, turn_count int, status, user_message_id?, assistant_message_id?, "
        "started_at, completed_at?",
        key="turn_id",
        unique=frozenset({"thread_id,turn_count"}),
        partial=frozenset({("thread_id", "status = 'running'")}),
        enums={"status": "running completed interrupted error"},
        least={"turn_count": 0},
    ),
    "projection_checkpoints": Contract(
        columns="thread_id, turn_id, checkpoint_turn_count int, checkpoint_ref, status, files_json, "
        "assistant_message_id?, completed_at",
        unique=frozenset({"thread_id,checkpoint_turn_count"}),
        index=frozenset({"thread_id,completed_at"}),
        enums={"status": "ready missing error"},
        least={"checkpoint_turn_count": 0},
        json="files_json",
    ),
    "projection_pending_approvals": Contract(
        columns="request_id, thread_id, turn_id?, status, decision?, created_at, resolved_at?",
        key="request_id",
        index=frozenset({"thread_id,status"}),
        partial=frozenset({("thread_id", "status = 'pending'")}),
        enums={"status": "pending resolved", "decision": "accept acceptForSession decline cancel"},
    ),
    "projection_state": Contract(
        columns="projector, last_applied_sequence int, updated_at",
        key="projector",
        least={"last_applied_sequence": 0},
    ),
}
LITERALS: Final = {
    ("orchestration_events", "aggregate_kind"): AggregateKind,
    ("orchestration_events", "actor_kind"): ActorKind,
    ("orchestration_command_receipts", "aggregate_kind"): AggregateKind,
    ("orchestration_command_receipts", "status"): ReceiptStatus,
    ("provider_session_runtime", "status"): SessionRuntimeStatus,
    ("projection_thread_messages", "role"): MessageRole,
    ("projection_thread_activities", "tone"): Tone,
    ("projection_thread_sessions", "status"): SessionStatus,
    ("projection_thread_turns", "status"): TurnStatus,
    ("projection_checkpoints", "status"): CheckpointStatus,
    ("projection_pending_approvals", "status"): ApprovalStatus,
    ("projection_pending_approvals", "decision"): ApprovalDecision,
}
"""The contract's type of each enum column."""
ENUMS = [(table, column) for table, contract in CONTRACT.items() for column in contract.enums]
BOUNDS = [(table, column) for table, contract in CONTRACT.items() for column in contract.least]
JSON = [(table, column) for table, contract in CONTRACT.items() for column in contract.json.split()]
PARTIAL = [(table, *index) for table, contract in CONTRACT.items() for index in sorted(contract.partial)]


@pytest.fixture
def migrated() -> Iterator[peewee.SqliteDatabase]:
    database = peewee.SqliteDatabase(":memory:")
    migrate(database, now=NOW)
    yield database
    database.close()


def normalised(sql: str) -> str:
    return re.sub(r"\s*([(),=])\s*", r"\1", " ".join(sql.replace('"', "").split()))


def key_columns(database: peewee.SqliteDatabase, index: str) -> str:
    rows = database.execute_sql(f"PRAGMA index_xinfo({index})").fetchall()
    return ",".join("sequence" if cid == -1 else name for _, cid, name, _, _, key in rows if key)


def partial_indexes(database: peewee.SqliteDatabase, table: str) -> dict[str, tuple[str, str]]:
    """The columns and the condition of each partial index, by its name."""
    query = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND sql LIKE '%WHERE%'"
    definitions = database.execute_sql(query, (table,)).fetchall()
    return {
        name: (key_columns(database, name), normalised(sql).partition("WHERE(")[2].removesuffix(")"))
        for name, sql in definitions
    }


def checks_of(database: peewee.SqliteDatabase, table: str) -> list[str]:
    (sql,) = database.execute_sql("SELECT sql FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    return sorted(re.findall(r"CHECK\(((?:[^()]|\([^()]*\))*)\)", normalised(sql)))


def a_row(table: str) -> dict[str, Value]:
    """A valid row of the table."""
    contract = CONTRACT[table]
    row: dict[str, Value] = {}
    for column in contract.columns.split(", "):
        name = column.removesuffix(" int").removesuffix("?")
        row[name] = None if column.endswith("?") else 1 if column.endswith(" int") else "text"
    row |= {name: values.split()[0] for name, values in contract.enums.items()}
    return row | dict.fromkeys(contract.json.split(), "{}")


def insert(database: peewee.SqliteDatabase, table: str, **changed: Value) -> None:
    row = a_row(table) | changed
    marks = ", ".join("?" for _ in row)
    database.execute_sql(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))


@pytest.mark.parametrize(
    "table",
    [
        pytest.param("orchestration_events", marks=pytest.mark.spec("W1")),
        pytest.param("orchestration_command_receipts", marks=pytest.mark.spec("W2")),
        pytest.param("checkpoint_diff_blobs", marks=pytest.mark.spec("W3")),
        pytest.param("provider_session_runtime", marks=pytest.mark.spec("W4")),
        pytest.param("projection_projects", marks=pytest.mark.spec("W5")),
        pytest.param("projection_threads", marks=pytest.mark.spec("W6")),
        pytest.param("projection_thread_messages", marks=pytest.mark.spec("W7")),
        pytest.param("projection_thread_activities", marks=pytest.mark.spec("W8")),
        pytest.param("projection_thread_sessions", marks=pytest.mark.spec("W9")),
        pytest.param("projection_thread_turns", marks=pytest.mark.spec("W10")),
        pytest.param("projection_checkpoints", marks=pytest.mark.spec("W11")),
        pytest.param("projection_pending_approvals", marks=pytest.mark.spec("W12")),
        pytest.param("projection_state", marks=pytest.mark.spec("W13")),
    ],
)
def test_table_is_the_contracts(migrated: peewee.SqliteDatabase, table: str) -> None:
    assert_is_contracts(migrated, table)


def assert_is_contracts(migrated: peewee.SqliteDatabase, table: str) -> None:
    contract = CONTRACT[table]
    columns = [
        (name + ("" if notnull else "?") + {"TEXT": "", "INTEGER": " int"}.get(kind, kind), default, bool(key))
        for _, name, kind, notnull, default, key, _ in migrated.execute_sql(f"PRAGMA table_xinfo({table})")
    ]
    assert columns == [(column, None, column.split()[0] == contract.key) for column in contract.columns.split(", ")]

    indexes = migrated.execute_sql(f"PRAGMA index_list({table})").fetchall()
    found = [(key_columns(migrated, name), unique, origin, partial) for _, name, unique, origin, partial in indexes]
    assert sorted(found) == sorted(
        [(columns, 1, "c", 0) for columns in contract.unique]
        + [(columns, 0, "c", 0) for columns in contract.index]
        + [(columns, 0, "c", 1) for columns, _ in contract.partial]
        + [(contract.key, 1, "pk", 0) for _ in range(contract.key not in ("", "sequence"))]
    )

    assert sorted(partial_indexes(migrated, table).values()) == sorted(
        (columns, normalised(condition)) for columns, condition in contract.partial
    )

    assert checks_of(migrated, table) == sorted(
        normalised(condition)
        for condition in [
            *(
                f"{column} IN ({', '.join(repr(value) for value in values.split())})"
                for column, values in contract.enums.items()
            ),
            *(f"{column} >= {least}" for column, least in contract.least.items()),
            *(
                f"{column} IS NULL OR json_valid({column})"
                if f"{column}?" in contract.columns
                else f"json_valid({column})"
                for column in contract.json.split()
            ),
            *(f"{column} IN (0, 1)" for column in contract.flags.split()),
        ]
    )

    [(without_rowid, strict)] = [row[4:] for row in migrated.execute_sql(f"PRAGMA table_list({table})")]
    assert (without_rowid, strict) == (0, 1)
    assert migrated.execute_sql(f"PRAGMA foreign_key_list({table})").fetchall() == []


@pytest.mark.spec("W14")
def test_a_fresh_database_is_private_and_holds_thirteen_tables(
    tmp_path: Path,
) -> None:
    path = tmp_path / "state.db"
    database = prepare(path, NOW)
    try:
        objects = database.execute_sql(
            "SELECT type, name FROM sqlite_master WHERE type <> 'index' AND name NOT LIKE 'sqlite_%'"
        ).fetchall()
    finally:
        database.close()
    assert sorted(objects) == sorted(("table", name) for name in {*CONTRACT, *BOOKKEEPING})
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.spec("W13", "W17")
def test_fresh_database_holds_the_eight_positions_at_zero(migrated: peewee.SqliteDatabase) -> None:
    rows = migrated.execute_sql("SELECT * FROM projection_state ORDER BY rowid").fetchall()
    names = "projects threads thread-messages thread-activities thread-sessions thread-turns checkpoints"
    assert rows == [
        (f"projection.{name}", 0, "1970-01-01T00:00:00.000Z") for name in [*names.split(), "pending-approvals"]
    ]


@pytest.mark.spec("W15")
@pytest.mark.parametrize(("table", "columns", "condition"), PARTIAL)
def test_partial_index_answers_its_condition(
    migrated: peewee.SqliteDatabase, table: str, columns: str, condition: str
) -> None:
    wanted = (columns, normalised(condition))
    [name] = [name for name, found in partial_indexes(migrated, table).items() if found == wanted]
    plan = migrated.execute_sql(
        f"EXPLAIN QUERY PLAN SELECT {columns} FROM {table} INDEXED BY {name} WHERE {condition}"
    ).fetchall()
    assert name in plan[0][-1]


@pytest.mark.spec("W16")
@pytest.mark.parametrize(("table", "column"), ENUMS)
def test_enum_column_takes_its_values_and_no_other(migrated: peewee.SqliteDatabase, table: str, column: str) -> None:
    for value in CONTRACT[table].enums[column].split():
        with migrated.atomic() as attempt:
            insert(migrated, table, **{column: value})
            attempt.rollback()
    for value in ("", "unheard-of", CONTRACT[table].enums[column].split()[0].upper()):
        with pytest.raises(peewee.IntegrityError, match="CHECK constraint failed"):
            insert(migrated, table, **{column: value})


@pytest.mark.spec("W16")
def test_decision_that_was_not_taken_is_null(migrated: peewee.SqliteDatabase) -> None:
    insert(migrated, "projection_pending_approvals", decision=None)
    assert migrated.execute_sql("SELECT decision FROM projection_pending_approvals").fetchall() == [(None,)]


@pytest.mark.parametrize(("table", "column"), BOUNDS)
def test_number_below_its_bound_is_refused(migrated: peewee.SqliteDatabase, table: str, column: str) -> None:
    least = CONTRACT[table].least[column]
    with pytest.raises(peewee.IntegrityError, match="CHECK constraint failed"):
        insert(migrated, table, **{column: least - 1})
    insert(migrated, table, **{column: least})


@pytest.mark.parametrize(("table", "column"), JSON)
def test_column_of_json_refuses_other_text(migrated: peewee.SqliteDatabase, table: str, column: str) -> None:
    with pytest.raises(peewee.IntegrityError, match="CHECK constraint failed"):
        insert(migrated, table, **{column: "{"})


def test_streaming_is_yes_or_no(migrated: peewee.SqliteDatabase) -> None:
    with pytest.raises(peewee.IntegrityError, match="CHECK constraint failed"):
        insert(migrated, "projection_thread_messages", is_streaming=2)


@pytest.mark.spec("W16")
def test_enum_columns_have_the_values_of_the_contracts_types() -> None:
    assert {(table, column): " ".join(get_args(literal)) for (table, column), literal in LITERALS.items()} == {
        (table, column): CONTRACT[table].enums[column] for table, column in ENUMS
    }


def test_indexes_of_intents_have_every_type_of_intent() -> None:
    listed = ", ".join(f"'{event_type}'" for event_type in INTENT_TYPES)
    assert normalised(INTENTS) == normalised(f"event_type IN ({listed})")


@pytest.mark.spec("W17")
@pytest.mark.parametrize("model", ALL_MODELS, ids=lambda model: model.__name__)
def test_columns_of_models_are_the_migrated_ones(migrated: peewee.SqliteDatabase, model: type[peewee.Model]) -> None:
    modelled = peewee.SqliteDatabase(":memory:")
    with modelled.bind_ctx([model]):
        modelled.create_tables([model])
    query = f"PRAGMA table_xinfo({model._meta.table_name})"
    assert modelled.execute_sql(query).fetchall() == migrated.execute_sql(query).fetchall()
    modelled.close()


def test_every_table_has_a_model() -> None:
    assert {model._meta.table_name for model in ALL_MODELS} == CONTRACT.keys()


@pytest.mark.parametrize(
    ("text", "edited"),
    [
        pytest.param("stream_version >= 1", "stream_version >= 0", id="bound"),
        pytest.param("'client', 'server', 'provider'", "'client', 'server'", id="enum"),
        pytest.param("CHECK (json_valid(files_json))", "CHECK (1)", id="json"),
        pytest.param("    ) STRICT", "    )", id="strict"),
        pytest.param("last_error TEXT", "last_error TEXT NOT NULL", id="nullable"),
        pytest.param("diff TEXT", "diff BLOB", id="type"),
        pytest.param("TEXT NOT NULL PRIMARY KEY", "TEXT NOT NULL", id="key"),
        pytest.param("CREATE UNIQUE INDEX", "CREATE INDEX", id="unique"),
        pytest.param("(thread_id, created_at)", "(created_at, thread_id)", id="index"),
        pytest.param("WHERE (is_streaming = 1)", "WHERE (is_streaming = 0)", id="partial"),
        pytest.param("'thread.session-stop-requested'", "'thread.reverted'", id="intents"),
        pytest.param(
            "branch TEXT,\n        worktree_path TEXT", "worktree_path TEXT,\n        branch TEXT", id="order"
        ),
    ],
)
def test_difference_between_contract_and_migrations_is_seen(text: str, edited: str) -> None:
    chain = [
        dataclasses.replace(migration, statements=tuple(sql.replace(text, edited) for sql in migration.statements))
        for migration in load()
    ]
    assert chain != list(load())
    database = peewee.SqliteDatabase(":memory:")
    migrate(database, now=NOW, migrations=chain)
    with pytest.raises(AssertionError):
        assert_has_every_table(database)
    database.close()


def assert_has_every_table(database: peewee.SqliteDatabase) -> None:
    for table in CONTRACT:
        assert_is_contracts(database, table)
