"""Mutants that properties catch, or that a property led to."""

from __future__ import annotations

from typing import Final

from tests.support.mutant import Mutant

_ANY: Final = "tests/property/test_any_interleaving.py::test_any_interleaving_keeps_every_promise"
_PREFIX: Final = "tests/property/test_any_prefix.py::test_a_host_goes_on_from_any_prefix_of_a_log"
_REPLAY: Final = (
    "tests/property/test_rebuild_equals_live.py::test_a_replay_cut_anywhere_gives_the_rows_that_were_projected_live"
)
_DISPATCHER: Final = "tests/contract/log/test_dispatcher.py"
_PROJECTOR: Final = "tests/contract/projecting/test_projector.py"

PROPERTY_MUTANTS: Final = (
    Mutant(
        guard="nobody is answered before the commit",
        file="actors/log/dispatcher.py",
        old="        positions = self._positions()\n        try:\n",
        new="        positions = self._positions()\n        for one in group:\n"
        "            one.answer(DispatchResult(sequence=self._log.head + 1, duplicate=False))\n        try:\n",
        test=_ANY,
    ),
    Mutant(
        guard="staged states are adopted after the commit alone",
        file="persistence/command_group.py",
        old="        self._states.stage(events)\n",
        new="        self._states.stage(events)\n        self._states.adopt()\n",
        test=_ANY,
    ),
    Mutant(
        guard="the head moves after the commit alone",
        file="persistence/command_group.py",
        old="        self._states.stage(events)\n",
        new="        self._states.stage(events)\n        self._head += len(events)\n",
        test=_ANY,
    ),
    Mutant(
        guard="a commit of unknown outcome that did not take place is told",
        file="persistence/command_group.py",
        old="        if len(written) != len(plan.receipts):\n",
        new="        if False:\n",
        test=f"{_DISPATCHER}::test_a_failed_commit_is_reported_and_the_command_may_be_resent",
    ),
    Mutant(
        guard="an expected version is compared with the stream's",
        file="persistence/command_group.py",
        old="        if version == envelope.expected_version:\n",
        new="        if True:\n",
        test=_ANY,
    ),
    Mutant(
        guard="of a batch that overlaps what was read, the rest alone is taken",
        file="actors/log/event_log.py",
        old="events.extend(batch.events[position + 1 - first :])",
        new="events.extend(batch.events)",
        test=_ANY,
    ),
    Mutant(
        guard="a batch is cut where the barrier stands",
        file="actors/projecting/projector.py",
        old="                cut = max(0, self._barrier.target - self.position)\n",
        new="                pass\n",
        test=_ANY,
    ),
    Mutant(
        guard="a projector that stops wakes those that wait for it",
        file="actors/projecting/projector.py",
        old="            if self._barrier is not None:\n                self._barrier.fail(self.obstacle())\n"
        "            self._waiting.release()\n",
        new="            self._waiting.release()\n",
        test=f"{_PROJECTOR}::test_a_stop_ends_a_waiting_cut_with_runtime_stopped",
    ),
    Mutant(
        guard="a caller that named projectors waits for them",
        file="runtime/runtime.py",
        old="        if wait_for:\n",
        new="        if False:\n",
        test=_ANY,
    ),
    Mutant(
        guard="commands leave the mailbox in the order in which they came",
        file="actors/log/mailbox.py",
        old="        self._held.append((item, size))\n",
        new="        self._held.appendleft((item, size))\n",
        test=_ANY,
    ),
    Mutant(
        guard="a stream's version counts events that do not decode, and is its last one's",
        file="persistence/event_store.py",
        old="ORDER BY stream_version DESC LIMIT 1",
        new="ORDER BY stream_version ASC LIMIT 1",
        test=_PREFIX,
    ),
    Mutant(
        guard="a replay applies an event once, however pages and positions lie",
        file="persistence/bootstrap.py",
        old="fresh = [event for event in page if event.sequence > one.position]",
        new="fresh = list(page)",
        test=_REPLAY,
    ),
)
