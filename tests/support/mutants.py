"""Mutants: copies of the tree with one guard removed each, and the test that must fail.

`python -m tests.support.mutants [WORD …]` first shows that the named tests pass on the unchanged tree, then applies
each mutation to a temporary copy and runs its test there. It exits 1 if a mutant survives or its text is not found.

One long table, so that all guards can be read in one place.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Literal, TypeAlias

from tests.support.agent_mutants import AGENT_MUTANTS
from tests.support.fault_mutants import FAULT_MUTANTS
from tests.support.mutant import Mutant
from tests.support.property_mutants import PROPERTY_MUTANTS

ROOT: Final = Path(__file__).resolve().parents[2]
COPIED: Final = ("orchestrion", "runtime", "actors", "persistence", "migrations", "tests", "pyproject.toml")
DEADLINE_SECONDS: Final = 240

_FIRST_FAILURE: Final = ("--hypothesis-profile", "first-failure")
"""Properties draw the same examples each time, and do not look for the smallest that fails."""

TESTS_PASSED: Final = 0
TESTS_FAILED: Final = 1

Outcome: TypeAlias = Literal["caught", "caught by its deadline", "SURVIVED", "NOT APPLICABLE", "TEST BROKEN"]
CAUGHT: Final = ("caught", "caught by its deadline")

_CRASH: Final = "tests/crash/test_crash_points.py::test_a_host_that_dies_here_loses_nothing"
_DISPATCHER: Final = "tests/contract/log/test_dispatcher.py"
_PROJECTOR: Final = "tests/contract/projecting/test_projector.py"
_REVERTS: Final = "tests/crash/test_checkpoints_and_reverts.py"


_CORE_MUTANTS: Final = (
    Mutant(
        guard="the receipt stands in the transaction of its events",
        file="persistence/command_group.py",
        old="""
                    insert_receipts(self._database, list(plan.receipts.values()))
""",
        new="""
                with write_transaction(self._database, durability="full"):
                    insert_receipts(self._database, list(plan.receipts.values()))
""",
        test=f"{_CRASH}[append.receipts-written]",
    ),
    Mutant(
        guard="the log is written with FULL",
        file="persistence/database.py",
        old='{"normal": 1, "full": 2}',
        new='{"normal": 1, "full": 1}',
        test="tests/crash/test_fsync.py::test_an_acknowledgement_follows_the_fsync_of_its_commit",
    ),
    Mutant(
        guard="receipts are looked up before anything is decided",
        file="persistence/command_group.py",
        old="known = find_receipts(self._database, [envelope.command.command_id for envelope in envelopes])",
        new="known: dict[str, ReceiptRow] = {}",
        test=f"{_DISPATCHER}::test_the_same_command_again_answers_the_same_and_appends_nothing",
    ),
    Mutant(
        guard="a command that stands in the group already is not decided again",
        file="persistence/command_group.py",
        old="receipt = plan.receipts.get(command_id) or known.get(command_id)",
        new="receipt = known.get(command_id)",
        test=f"{_DISPATCHER}::test_id_reused_within_one_group_is_compared_by_content",
    ),
    Mutant(
        guard="an id that is used for other content is refused",
        file="persistence/command_group.py",
        old="if not isinstance(first, PersistedEvent) or not has_content_of(envelope, first):",
        new="if False:",
        test=f"{_DISPATCHER}::test_id_reused_within_one_group_is_compared_by_content",
    ),
    Mutant(
        guard="the fingerprint of a command has nothing of its secret answers",
        file="persistence/fingerprints.py",
        old="if first.withheld:",
        new="if False:",
        test=f"{_DISPATCHER}::test_a_secret_answer_is_in_no_file_and_is_kept_for_its_agent",
    ),
    Mutant(
        guard="a secret answer is not stored",
        file="orchestrion/domain/decide_thread.py",
        old="without(command.answers, withheld)",
        new="command.answers",
        test=f"{_DISPATCHER}::test_a_secret_answer_is_in_no_file_and_is_kept_for_its_agent",
    ),
    Mutant(
        guard="after a failed group the commands are decided one by one",
        file="persistence/command_group.py",
        old="if len(envelopes) == 1:",
        new="if True:",
        test=f"{_DISPATCHER}::test_a_failed_statement_harms_its_own_command_alone",
    ),
    Mutant(
        guard="what was staged for a group that failed is dropped",
        file="persistence/command_group.py",
        old="        except BaseException:\n            self._states.discard()\n",
        new="        except BaseException:\n            self._states.adopt()\n",
        test=f"{_DISPATCHER}::test_a_failing_second_event_leaves_nothing_of_its_command",
    ),
    Mutant(
        guard="a commit of unknown outcome is answered from the receipts",
        file="persistence/command_group.py",
        old="        if len(written) != len(plan.receipts):\n",
        new="        if True:\n",
        test=f"{_DISPATCHER}::test_a_failed_commit_that_took_place_is_answered_from_the_receipts",
    ),
    Mutant(
        guard="a thread is evicted only when the projections have its events",
        file="persistence/decision_states.py",
        old="for key, value in self.adopted.items() if value.last_sequence <= projected)",
        new="for key in self.adopted)",
        test="tests/contract/persistence/test_eviction.py::test_a_thread_is_kept_for_as_long_as_the_projections_lack_its_events",
    ),
    Mutant(
        guard="events are published before the caller is answered",
        file="actors/log/dispatcher.py",
        old="        self._log.publish(outcome.batch)\n",
        new="",
        test=f"{_DISPATCHER}::test_events_are_published_before_the_caller_is_answered",
    ),
    Mutant(
        guard="a follower takes a batch only when it continues its position",
        file="actors/log/event_log.py",
        old="if first > position + 1:",
        new="if False:",
        test="tests/contract/log/test_log_follower.py::test_a_batch_behind_a_gap_is_not_taken_before_the_gap_was_read",
    ),
    Mutant(
        guard="a snapshot's transaction is pinned by its first read while all projectors stand still",
        file="actors/projecting/projectors.py",
        old="            await self._completed(barrier)\n",
        new="",
        test="tests/contract/persistence/test_snapshot.py::test_under_load_every_snapshot_is_the_fold_of_a_prefix_of_the_log",
    ),
    Mutant(
        guard="a deferred BEGIN is followed by a read",
        file="persistence/readers.py",
        old='            database.execute_sql("BEGIN")\n',
        new="",
        test="tests/contract/persistence/test_snapshot.py::test_under_load_every_snapshot_is_the_fold_of_a_prefix_of_the_log",
    ),
    Mutant(
        guard="the position moves in the transaction of the rows",
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
        test=f"{_CRASH}[projector.position-written]",
    ),
    Mutant(
        guard="a projector's write that fails fails alone",
        file="actors/projecting/rounds.py",
        old="may_go_on = has_begun and",
        new="may_go_on = False and",
        test="tests/contract/projecting/test_rounds.py::test_a_write_that_fails_fails_alone_and_leaves_nothing",
    ),
    Mutant(
        guard="after a round's failed commit what it wrote is not written again",
        file="actors/projecting/rounds.py",
        old="            if write.is_there(database):\n",
        new="            if False:\n",
        test="tests/contract/projecting/test_rounds.py::test_after_a_failed_commit_each_write_that_is_not_there_is_done_alone",
    ),
    Mutant(
        guard="a projector that is waited for asks for a round again",
        file="actors/projecting/projector.py",
        old="        return bool(self._waiting) or ",
        new="        return False and ",
        test=f"{_PROJECTOR}::test_readers_of_rows_do_not_wait_for_the_interval_of_rounds",
    ),
    Mutant(
        guard="a position that lags lazily is stored at a clean end",
        file="actors/projecting/projector.py",
        old='            if self.status != "halted":\n                await self._save_position()\n',
        new="            pass\n",
        test="tests/contract/runtime/test_host.py::test_a_clean_stop_leaves_no_log_of_sqlite_and_every_position_stored",
    ),
    Mutant(
        guard="an event that does not decode is skipped and counted",
        file="actors/projecting/condition.py",
        old="        self._quarantined += 1\n",
        new="        raise ValueError(fault)\n",
        test=f"{_PROJECTOR}::test_undecodable_events_are_skipped_and_known_types_counted",
    ),
    Mutant(
        guard="a projector looks a commit of unknown outcome up before it tries again",
        file="actors/projecting/projector.py",
        old="write = partial(self._rounds.run_job, apply_if_missing(self._projection, events, position))",
        new="pass",
        test=f"{_PROJECTOR}::test_a_commit_of_unknown_outcome_is_applied_once",
    ),
    Mutant(
        guard="a turn is claimed before it is handed over",
        file="actors/sessions/turn_work.py",
        old="            result = await self._agent.living.claim(turn_id, intent, own_turns=prepared.own_turns)\n",
        new="            await self._agent.living.connection.start_turn(prepared.request)\n"
        "            crash_point('turn.handed-over')\n"
        "            result = await self._agent.living.claim(turn_id, intent, own_turns=prepared.own_turns)\n",
        test=f"{_CRASH}[turn.handed-over]",
    ),
    Mutant(
        guard="the reactor's position stops before the oldest open intent",
        file="actors/sessions/router.py",
        old="self._follower.position if oldest is None else min(oldest - 1, self._follower.position)",
        new="self._follower.position",
        test="tests/acceptance/sessions/test_turns.py"
        "::test_a_clean_stop_settles_the_running_turn_and_leaves_the_queued_one",
    ),
    Mutant(
        guard="a replaced session writes nothing",
        file="orchestrion/domain/decide_internal.py",
        old="if is_from_replaced_session(thread, request.metadata):",
        new="if False:",
        test="tests/unit/domain/test_decide_sessions.py::test_a_replaced_session_writes_nothing",
    ),
    Mutant(
        guard="recovery ends the messages that still stream",
        file="orchestrion/domain/recover.py",
        old="(_completion(thread.thread_id, message, now), None) for message in thread.streaming\n",
        new="(_completion(thread.thread_id, message, now), None) for message in ()\n",
        test=f"{_CRASH}[append.committed]",
    ),
    Mutant(
        guard="recovery settles the turns that ran",
        file="orchestrion/domain/recover.py",
        old="if thread.running_turn_id is not None or thread.has_pending_approvals:\n        return True",
        new="if thread.running_turn_id is not None or thread.has_pending_approvals:\n        return False",
        test=f"{_CRASH}[turn.handed-over]",
    ),
    Mutant(
        guard="one runtime owns a database",
        file="persistence/ownership.py",
        old="                self._lock.acquire()\n",
        new="                pass\n",
        test="tests/contract/persistence/test_ownership.py::test_owner_in_another_process_is_named",
    ),
    Mutant(
        guard="the whole chain of migrations is one transaction",
        file="migrations/runner.py",
        old='    with _transaction(database, "IMMEDIATE"):\n',
        new="    if True:\n",
        test=f"{_CRASH}[migration.one-applied]",
    ),
    Mutant(
        guard="rows that another version of a projection wrote are made anew",
        file="runtime/database_files.py",
        old="            if outdated:\n",
        new="            if False:\n",
        test="tests/contract/runtime/test_host.py::test_an_outdated_projection_is_rebuilt_before_the_first_command",
    ),
    Mutant(
        guard="the start of a turn is captured anew at each try",
        file="actors/checkpoints/checkpointer.py",
        old=", _before(turn), anew=True)",
        new=", _before(turn))",
        test=f"{_REVERTS}::test_changes_before_a_turn_starts_belong_to_no_turn",
    ),
    Mutant(
        guard="a capture of another place in the repository is no target of a revert",
        file="actors/checkpoints/git/git_workspace.py",
        old="        if target.place != self.place:",
        new="        if False:",
        test="tests/contract/checkpoints/git/test_restore.py::test_a_capture_of_another_place_in_the_repository_is_refused",
    ),
    Mutant(
        guard="what the rules of a target's time ignored is not removed by a revert",
        file="actors/checkpoints/git/target_rules.py",
        old="        await in_thread(lay_out_rules, kept, directory)",
        new="        pass",
        test="tests/contract/checkpoints/git/test_exclude_rules.py::test_files_ignored_by_a_former_rule_stay",
    ),
    Mutant(
        guard="a private file is private while a revert writes it",
        file="actors/checkpoints/git/writing.py",
        old="_check_out(attrs.evolve(targeted, umask=_PRIVATE), private)",
        new="_check_out(targeted, private)",
        test="tests/contract/checkpoints/git/test_permissions.py::test_a_private_file_is_private_while_it_is_written",
    ),
    Mutant(
        guard="the safety refs of a revert that was cut off are not pruned",
        file="actors/checkpoints/database_refs.py",
        old='one.standing not in ("current", "journal")',
        new='one.standing != "current"',
        test="tests/acceptance/test_cli_checkpoints.py::test_pruning_keeps_the_safety_ref_of_an_unfinished_revert",
    ),
    Mutant(
        guard="an agent is asked to forget the turns that a revert removes",
        file="actors/sessions/conversation_rollback.py",
        old="cursor = await provider.forget(request, order.removed_turns)\n        except",
        new="cursor = request.resume_cursor\n        except",
        test="tests/acceptance/sessions/test_reverts.py::test_an_agent_that_can_rolls_back_also_after_a_restart",
    ),
)

MUTANTS: Final = (*_CORE_MUTANTS, *FAULT_MUTANTS, *PROPERTY_MUTANTS, *AGENT_MUTANTS)


def outcome_of(mutant: Mutant, copy: Path) -> Outcome:
    """Mutate one file of the copy, run the test there, and restore the file."""
    file = copy / mutant.file
    text = file.read_text()
    if text.count(mutant.old) != 1:
        return "NOT APPLICABLE"
    file.write_text(text.replace(mutant.old, mutant.new))
    try:
        code = run_tests([mutant.test], copy, workers="0", seconds=DEADLINE_SECONDS).returncode
    except subprocess.TimeoutExpired:
        return "caught by its deadline"
    finally:
        file.write_text(text)
    if code == TESTS_PASSED:
        return "SURVIVED"
    return "caught" if code == TESTS_FAILED else "TEST BROKEN"


def run_tests(tests: Sequence[str], copy: Path, *, workers: str, seconds: float) -> subprocess.CompletedProcess[str]:
    """Run pytest on the copy; its output and exit code. No bytecode is written, so a mutated file is compiled again.

    One test runs without workers: with them, pytest reports an interruption after the first failure.
    """
    options = ["-q", "-x", "-n", workers, "-p", "no:cacheprovider", *_FIRST_FAILURE]
    command = [sys.executable, "-B", "-m", "pytest", *options, *tests]
    return subprocess.run(command, cwd=copy, capture_output=True, text=True, timeout=seconds, check=False)


def copy_tree(target: Path) -> None:
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, target / name, symlinks=True, ignore=ignored)
        else:
            shutil.copy2(source, target / name)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.support.mutants", description=__doc__)
    parser.add_argument("words", nargs="*", metavar="WORD", help="only mutants whose guard has one of these words")
    words: list[str] = parser.parse_args().words
    chosen = [one for one in MUTANTS if not words or any(word in one.guard for word in words)]
    with TemporaryDirectory(prefix="orchestrion-mutants-") as directory:
        copy = Path(directory)
        copy_tree(copy)
        tests = list(dict.fromkeys(mutant.test for mutant in chosen))
        unmutated = run_tests(tests, copy, workers="auto", seconds=len(tests) * DEADLINE_SECONDS)
        if unmutated.returncode != TESTS_PASSED:
            print(f"the tests do not pass as the tree stands:\n{unmutated.stdout}{unmutated.stderr}")
            return 1
        width = max(len(mutant.guard) for mutant in chosen)
        survivors = 0
        for mutant in chosen:
            started = time.monotonic()
            outcome = outcome_of(mutant, copy)
            survivors += outcome not in CAUGHT
            seconds = time.monotonic() - started
            print(f"{mutant.guard.ljust(width)}  {outcome:<22}  {seconds:4.0f} s  {mutant.test}", flush=True)
    print(f"{len(chosen)} mutants, {len(chosen) - survivors} caught")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
