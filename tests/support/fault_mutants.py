"""Mutants of the guards against storage faults, foreign files and growing work."""

from __future__ import annotations

from typing import Final

from tests.support.mutant import Mutant

FAULT_MUTANTS: Final = (
    Mutant(
        guard="a counter that is killed between its rows and its position counts once",
        file="persistence/apply_projection.py",
        old="""
        write_position(database, position)
        crash_point("projector.position-written")
""",
        new="""
        database.execute_sql("COMMIT")
        database.execute_sql("BEGIN IMMEDIATE")
        write_position(database, position)
        crash_point("projector.position-written")
""",
        test="tests/crash/test_counter_crash.py::test_l21_a_counter_that_is_not_idempotent_counts_every_event_once",
    ),
    Mutant(
        guard="a rebuild swaps all its projections in one transaction",
        file="persistence/rebuild.py",
        old="""
        with write_transaction(database, durability="full"):
            for projection in request.projections:
                _swap(database, scratch, projection)
""",
        new="""
        for projection in request.projections:
            with write_transaction(database, durability="full"):
                _swap(database, scratch, projection)
""",
        test="tests/crash/test_maintenance_crash.py"
        "::test_a_repair_that_was_killed_is_done_by_the_next_one[rebuild.one-swapped:2]",
    ),
    Mutant(
        guard="a position that is missing is never read as 0",
        file="persistence/positions.py",
        old='        raise ProjectionStalled(projector, None, "its position is missing")\n',
        new='        return PositionRow(projector, 0, "")\n',
        test="tests/contract/persistence/test_snapshot.py::test_a_missing_position_is_an_error_that_names_the_projector",
    ),
    Mutant(
        guard="a migration whose text is another one is refused",
        file="migrations/runner.py",
        old="        if checksum != migration.checksum:\n",
        new="        if False:\n",
        test="tests/migration/test_runner.py::test_ledger_that_differs_from_the_files_is_refused",
    ),
    Mutant(
        guard="a failed ROLLBACK does not hide what failed before it",
        file="migrations/runner.py",
        old="        with suppress(peewee.DatabaseError):\n",
        new="        with suppress():\n",
        test="tests/faults/test_file_size_limit.py::test_a_database_that_cannot_be_made_is_refused_in_one_line",
    ),
    Mutant(
        guard="a page that cannot be read is a finding, not an error",
        file="persistence/verify/file_checks.py",
        old="        if not isinstance(translated(error, Path(database.database)), DatabaseCorrupt):\n",
        new="        if True:\n",
        test="tests/faults/test_damaged_pages.py::test_verify_names_the_table_and_advises_a_backup",
    ),
    Mutant(
        guard="a hard link is refused",
        file="persistence/database.py",
        old="        if path.is_file() and names > 1:\n",
        new="        if False:\n",
        test="tests/contract/persistence/test_ownership.py::test_hard_link_is_refused_by_every_opener_under_both_names",
    ),
    Mutant(
        guard="a checkpoint that a reader holds up is not told of as done",
        file="persistence/maintenance.py",
        old="not busy and written == moved",
        new="not busy",
        test="tests/faults/test_write_ahead_log.py::test_a_long_snapshot_delays_only_the_moving_of_the_log",
    ),
    Mutant(
        guard="a stranger's lock is waited for",
        file="persistence/database.py",
        old="BUSY_TIMEOUT_SECONDS: Final = 5\n",
        new="BUSY_TIMEOUT_SECONDS: Final = 0\n",
        test="tests/contract/runtime/test_host.py::test_l14_a_foreign_lock_delays_a_command_and_fails_none",
    ),
    Mutant(
        guard="a backup uses no journal of another file",
        file="runtime/cli/backup.py",
        old=', Path(f"{target}-journal")',
        new="",
        test="tests/acceptance/test_cli_maintenance.py::test_backup_refuses_to_overwrite_and_leaves_nothing",
    ),
    Mutant(
        guard="what the store refuses a session is sent again",
        file="actors/log/command_sender.py",
        old="                if anyio.current_time() + wait > give_up_at:\n",
        new="                if True:\n",
        test="tests/unit/log/test_command_sender.py::test_command_that_the_store_refuses_is_sent_until_accepted",
    ),
    Mutant(
        guard="a cancellation of the host's code does not reach the actors",
        file="actors/supervisor.py",
        old="anyio.CancelScope(shield=True)",
        new="anyio.CancelScope()",
        test="tests/unit/actors/test_supervisor.py::test_cancelling_what_surrounds_an_actor_does_not_reach_it",
    ),
    Mutant(
        guard="an actor is restarted as often as its policy allows and no more",
        file="actors/supervisor.py",
        old="return len(failures) > policy.restarts and",
        new="return False and",
        test="tests/unit/actors/test_supervisor.py::test_one_failure_more_is_reported_once_and_the_others_run_on",
    ),
    Mutant(
        guard="a delta reads nothing of its thread beside its own message",
        file="persistence/projections/thread_messages.py",
        old="    execute_many(database, UPSERT, rows)\n",
        new="    for row in rows:\n"
        '        database.execute_sql("SELECT SUM(length(text)) FROM projection_thread_messages'
        ' WHERE thread_id = ?", (row["thread_id"],)).fetchall()\n'
        "    execute_many(database, UPSERT, rows)\n",
        test="tests/contract/test_work_per_event.py::test_l04_a_delta_costs_the_same_in_a_long_and_a_short_thread",
    ),
    Mutant(
        guard="streamed text is held and joined",
        file="orchestrion/domain/coalesce.py",
        old="MOST_HELD_BYTES: Final = 4096",
        new="MOST_HELD_BYTES: Final = 16",
        test="tests/unit/domain/test_coalesce.py::test_l06_tokens_become_events_by_the_second_and_not_one_by_one",
    ),
    Mutant(
        guard="a reader that waits for a projector is woken by it",
        file="actors/projecting/projector.py",
        old="            await self._waiting.wait(sequence)\n",
        new="            await anyio.sleep(0.1)\n",
        test="tests/contract/projecting/test_projector.py::test_l22_a_waiter_is_woken_by_the_projector_and_looks_at_no_clock",
    ),
    Mutant(
        guard="a command's size is that of its content",
        file="runtime/cli/command_lines.py",
        old="6 * MAX_COMMAND_BYTES",
        new="MAX_COMMAND_BYTES",
        test="tests/acceptance/test_cli_dispatch.py::test_a_command_is_measured_by_its_content_however_it_is_spelled",
    ),
)
