"""A snapshot as tables: projects and threads, then what each thread holds."""

from __future__ import annotations

from rich.console import Console

from ...contracts.read_model import Snapshot, ThreadView
from ...contracts.values import Unset
from .output import excerpt, print_line, print_table


def print_snapshot(console: Console, snapshot: Snapshot) -> None:
    """Print what a snapshot has; of what it has not, nothing or a line about its absence."""
    print_line(console, f"Snapshot at sequence {snapshot.snapshot_sequence}, {snapshot.updated_at}")
    print_table(
        console,
        "Projects",
        ("id", "title", "workspace", "default model", "updated", "deleted"),
        (
            (one.id, one.title, one.workspace_root, one.default_model, one.updated_at, one.deleted_at)
            for one in snapshot.projects
        ),
    )
    print_table(
        console,
        "Threads",
        ("id", "project", "title", "model", "branch", "session", "turns", "latest turn", "updated", "deleted"),
        (
            (
                one.id,
                one.project_id,
                one.title,
                one.model or "",
                one.branch,
                None if one.session is None else one.session.status,
                len(one.turns),
                one.latest_turn_id,
                one.updated_at,
                one.deleted_at,
            )
            for one in snapshot.threads
        ),
    )
    for thread in snapshot.threads:
        _print_thread(console, thread)


def _print_thread(console: Console, thread: ThreadView) -> None:
    name = f"thread {thread.id}"
    if thread.session is not None and thread.session.last_error is not None:
        print_line(console, f"Last error of {name}: {excerpt(thread.session.last_error)}")
    if thread.turns:
        print_table(
            console,
            f"Turns of {name}",
            ("count", "turn", "status", "asked by", "answered by", "started", "completed"),
            (
                (
                    one.turn_count,
                    one.turn_id,
                    one.status,
                    one.user_message_id,
                    one.assistant_message_id,
                    one.started_at,
                    one.completed_at,
                )
                for one in thread.turns
            ),
        )
    if thread.queue:
        print_table(
            console,
            f"Waiting turns of {name}",
            ("turn", "asked by", "requested"),
            ((one.turn_id, one.message_id, one.requested_at) for one in thread.queue),
        )
    if thread.pending_approvals:
        print_table(
            console,
            f"Pending approvals of {name}",
            ("request", "turn", "kind", "summary", "options", "since"),
            (
                (
                    one.request_id,
                    one.turn_id,
                    one.kind,
                    excerpt(one.summary or ""),
                    ", ".join(option.id for option in one.options),
                    one.created_at,
                )
                for one in thread.pending_approvals
            ),
        )
    if not isinstance(thread.messages, Unset) and thread.messages:
        print_table(
            console,
            f"Messages of {name}",
            ("message", "role", "turn", "text", "streaming", "updated"),
            (
                (
                    one.id,
                    one.role,
                    one.turn_id,
                    excerpt(one.text),
                    "yes" if one.streaming else "no",
                    one.updated_at,
                )
                for one in thread.messages
            ),
        )
    if not isinstance(thread.activities, Unset) and thread.activities:
        print_table(
            console,
            f"Activities of {name}",
            ("activity", "tone", "kind", "turn", "summary", "at"),
            (
                (one.id, one.tone, one.kind, one.turn_id, excerpt(one.summary), one.created_at)
                for one in thread.activities
            ),
        )
    if not isinstance(thread.checkpoints, Unset) and thread.checkpoints:
        print_table(
            console,
            f"Checkpoints of {name}",
            ("turn count", "turn", "status", "files", "ref", "completed"),
            (
                (
                    one.checkpoint_turn_count,
                    one.turn_id,
                    one.status,
                    len(one.files),
                    one.checkpoint_ref,
                    one.completed_at,
                )
                for one in thread.checkpoints
            ),
        )
