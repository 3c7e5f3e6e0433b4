"""What a killed host must leave behind: the journal of commands and answers is compared with the file at rest.

`lost`: something acknowledged, or a part of it, is missing. `doubled`: something is there twice. `stuck`: something
does not end. `broken`: the file breaks another rule of `orchestrion verify`.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import attrs
import orjson

from orchestrion.actors.providers.process.process_table import start_time
from orchestrion.persistence.database import open_reader
from orchestrion.persistence.event_store import read_head, read_open_intents
from orchestrion.persistence.verify import verify_database

Column: TypeAlias = Literal["lost", "doubled", "stuck", "broken"]
COLUMNS: Final[tuple[Column, ...]] = ("lost", "doubled", "stuck", "broken")

_EVENTS_OF: Final = {"thread.turn.start": 2}
_PROMPT: Final = re.compile(r"say turn (\S+)")
_OPEN_ROWS: Final = {
    "turn": "SELECT turn_id FROM projection_thread_turns WHERE status = 'running'",
    "message": "SELECT message_id FROM projection_thread_messages WHERE is_streaming = 1",
    "approval": "SELECT request_id FROM projection_pending_approvals WHERE status = 'pending'",
    "runtime row": "SELECT provider_session_id FROM provider_session_runtime WHERE status IN ('starting', 'running')",
    "position": "SELECT projector FROM projection_state WHERE projector NOT LIKE 'reactor.%' AND"
    " last_applied_sequence <> (SELECT COALESCE(MAX(sequence), 0) FROM orchestration_events)",
}


@attrs.frozen
class Fault:
    column: Column
    what: str


@attrs.frozen
class Answer:
    """A command's outcome: the sequence of its last event, or the reason of its rejection."""

    sequence: int | None
    rejected: str | None


class Journal:
    """The reports of a host over all its lives. `unconfirmed` holds the commands to send again, in their order."""

    def __init__(self) -> None:
        self.types: dict[str, str] = {}
        self.answers: dict[str, Answer] = {}
        self.unconfirmed: dict[str, bytes] = {}
        self._stored: dict[str, Answer] = {}

    def take(self, line: bytes) -> Iterator[Fault]:
        """Record one line; yield the faults that it shows."""
        report = orjson.loads(line)
        match report["kind"]:
            case "sent":
                command = report["command"]
                self.types[command["commandId"]] = command["type"]
                self.unconfirmed[command["commandId"]] = line
            case "answered" | "again":
                yield from self._take_answer(report)
            case "failed":
                yield Fault("lost", f"command {report['id']} failed: {report['error']}")
            case "stuck":
                yield Fault("stuck", f"without an owner: {report['what']}")
            case _:
                pass

    def check_commands(self, stored: dict[str, Answer], events: dict[str, tuple[int, int]]) -> Iterator[Fault]:
        """Every command is whole or absent; every acknowledged one is there, as acknowledged."""
        self._stored = stored
        for command, kind in self.types.items():
            receipt, (count, last) = stored.get(command), events.get(command, (0, 0))
            answer = self.answers.get(command)
            if answer is not None and receipt != answer:
                yield Fault("lost", f"{command} was answered {answer}, its receipt has {receipt}")
            expected = 0 if receipt is None or receipt.rejected is not None else _EVENTS_OF.get(kind, 1)
            if count != expected:
                column: Column = "lost" if count < expected else "doubled"
                yield Fault(column, f"{command} ({kind}) has {count} events, {expected} were expected")
            elif expected and receipt is not None and last != receipt.sequence:
                yield Fault("lost", f"{command} ends at {last}, its receipt has {receipt.sequence}")

    def _take_answer(self, report: dict[str, Any]) -> Iterator[Fault]:
        command = report["id"]
        answer = Answer(report.get("sequence"), report.get("rejected"))
        before = self.answers.setdefault(command, answer)
        if before != answer:
            yield Fault("doubled", f"{command} was answered {before}, then {answer}")
        stored = self._stored.get(command)
        if stored is not None and (stored != answer or not report["duplicate"]):
            yield Fault("doubled", f"{command} was sent again and answered {answer}, its receipt has {stored}")
        if report["kind"] == "again":
            self.unconfirmed.pop(command, None)


def check_at_rest(database: Path, journal: Journal) -> list[Fault]:
    """The file after a kill or a clean end."""
    faults = [Fault("broken", str(finding)) for finding in verify_database(database).findings]
    reader = open_reader(database)
    try:
        receipts = reader.execute_sql(
            "SELECT command_id, status, result_sequence, error FROM orchestration_command_receipts"
        ).fetchall()
        events = reader.execute_sql(
            "SELECT command_id, COUNT(*), MAX(sequence) FROM orchestration_events"
            " WHERE command_id IS NOT NULL GROUP BY command_id"
        ).fetchall()
    finally:
        reader.close()
    stored = {row[0]: Answer(row[2], None) if row[1] == "accepted" else Answer(None, row[3]) for row in receipts}
    faults += journal.check_commands(stored, {row[0]: (row[1], row[2]) for row in events})
    return faults


def check_settled(database: Path, agents: Path, journal: Journal) -> list[Fault]:
    """The file and the agents after a clean end: nothing open, every text whole, every prompt handed over once."""
    reader = open_reader(database)
    try:
        faults = [Fault("stuck", f"intent {event.sequence}") for event in read_open_intents(reader, after=0)]
        for what, query in _OPEN_ROWS.items():
            faults += [Fault("stuck", f"{what} {row[0]}") for row in reader.execute_sql(query).fetchall()]
        texts = dict(
            reader.execute_sql(
                "SELECT message_id, text FROM projection_thread_messages WHERE thread_id LIKE 'text-%'"
            ).fetchall()
        )
        completed = {
            row[0]
            for row in reader.execute_sql(
                "SELECT user_message_id FROM projection_thread_turns WHERE status = 'completed'"
            ).fetchall()
        }
    finally:
        reader.close()
    faults += _check_texts(texts, journal)
    faults += _check_prompts(agents, completed)
    return faults


def _check_texts(texts: dict[str, str], journal: Journal) -> Iterator[Fault]:
    """Texts are counters that are not idempotent: each counts from 1 to the last acknowledged delta."""
    acknowledged: Counter[str] = Counter()
    for command, answer in journal.answers.items():
        _, _, rest = command.partition("/")
        message, _, number = rest.rpartition("/")
        if journal.types.get(command) == "thread.message.assistant.delta" and answer.rejected is None:
            acknowledged[message] = max(acknowledged[message], int(number))
    for message in acknowledged.keys() - texts.keys():
        yield Fault("lost", f"message {message}")
    for message, text in texts.items():
        numbers = [int(number) for number in text.split()]
        wanted = list(range(1, len(numbers) + 1))
        if len(set(numbers)) < len(numbers):
            yield Fault("doubled", f"message {message}: {text}")
        elif numbers != wanted or len(numbers) < acknowledged[message]:
            yield Fault("lost", f"message {message}, acknowledged up to {acknowledged[message]}: {text}")


def _check_prompts(agents: Path, completed: set[str]) -> Iterator[Fault]:
    """The prompts that the agents recorded themselves."""
    prompts: Counter[str] = Counter()
    for path in agents.glob("*.jsonl"):
        for line in path.read_bytes().splitlines():
            if b'"prompt"' in line:
                prompts.update(_PROMPT.findall(orjson.loads(line)["prompt"]))
    for message, times in prompts.items():
        if times > 1:
            yield Fault("doubled", f"turn of {message} was handed over {times} times")
    for message in completed - prompts.keys():
        yield Fault("lost", f"turn of {message} completed and was never handed over")


def head_of(database: Path) -> int:
    """The sequence of the last event; 0 while there is no log."""
    if not is_migrated(database):
        return 0
    reader = open_reader(database)
    try:
        return read_head(reader).sequence
    finally:
        reader.close()


def is_migrated(database: Path) -> bool:
    """Whether the chain of migrations was committed: it is there as a whole, or not at all."""
    if not database.exists():
        return False
    reader = open_reader(database)
    try:
        tables = reader.execute_sql("SELECT COUNT(*) FROM sqlite_master WHERE name LIKE 'projection_%'").fetchone()
    finally:
        reader.close()
    return bool(tables[0])


def agent_processes(agents: Path) -> set[tuple[int, int | None]]:
    """The running processes, with their start times, that were started for this directory of sessions."""
    found: set[tuple[int, int | None]] = set()
    if not Path("/proc/self").exists():
        return found
    mark = os.fsencode(agents)
    for name in filter(str.isdecimal, os.listdir("/proc")):
        try:
            command = Path("/proc", name, "cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        if mark in command:
            found.add((int(name), start_time(int(name))))
    return found
