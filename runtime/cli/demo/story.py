"""The story: a first host is killed in the middle of a turn, a second one continues it."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable
from typing import Final

import anyio
import attrs
import orjson
from anyio.streams.buffered import BufferedByteReceiveStream

from ....actors.providers.adapter import ProcessIdentity
from ....actors.providers.process.interpreter import find_python
from ....actors.providers.process.process_table import processes_of, start_time
from ....contracts.errors import CommandRejected, OrchestrionError
from ....contracts.events import LoggedEvent
from ....contracts.new_values import now
from ....contracts.read_model import DispatchResult, Snapshot, TurnDiff
from ....persistence.threads import in_thread
from ....persistence.verify import Finding, verify_database
from ...host import open_runtime
from ...runtime import Runtime
from .script import THREAD, Stage, acceptance, captured_turn, requested_approval, setting, turn_start

DEADLINE_SECONDS: Final = 60.0
"""How long each half of the story may take."""

LAST_TURN: Final = 3

_MAX_LINE: Final = 65536


class DemoFailed(OrchestrionError):
    """The story could not be played to its end."""


@attrs.frozen(kw_only=True)
class FirstHost:
    """What the first host had acknowledged when it was killed. `sequences` are by command id."""

    pid: int
    agent_pid: int
    agent_started_at: int | None
    provider_session_id: str
    sequences: dict[str, int]


@attrs.frozen(kw_only=True)
class Story:
    """Everything that happened, as the second host found and left it."""

    first: FirstHost
    head_at_kill: int
    at_opening: Snapshot
    resent: dict[str, int]
    timeline: tuple[LoggedEvent, ...]
    snapshot: Snapshot
    diff: TurnDiff
    agent_survived: bool
    findings: tuple[Finding, ...]


async def play(stage: Stage, say: Callable[[str], None]) -> Story:
    """Play the story and print what happens meanwhile.

    Raises:
        DemoFailed: a host ended or stood still where it should not have.
    """
    await in_thread(make_workspace, stage)
    first = await _first_half(stage, say)
    say(f"Killed host {first.pid} (SIGKILL) while turn 2 waited for an approval and turn 3 was queued behind it.")
    return await _second_half(stage, first, say)


def make_workspace(stage: Stage) -> None:
    """A git repository with one committed file."""
    stage.workspace.mkdir(parents=True)
    (stage.workspace / "notes.txt").write_text("These are the notes.\n")
    identity = ("-c", "user.name=Demo", "-c", "user.email=demo@localhost", "-c", "commit.gpgsign=false")
    for arguments in (("init", "-q"), ("add", "."), (*identity, "commit", "-q", "-m", "Notes")):
        subprocess.run(["git", *arguments], cwd=stage.workspace, check=True)


async def _first_half(stage: Stage, say: Callable[[str], None]) -> FirstHost:
    python = await in_thread(lambda: find_python(module="orchestrion"))
    command = [python, "-m", f"{__package__}.first_host", str(stage.directory)]
    sequences: dict[str, int] = {}
    async with await anyio.open_process(command, stderr=None) as host:
        assert host.stdout is not None
        say(f"Host {host.pid} opens {stage.database.name} and starts turn 1.")
        lines = BufferedByteReceiveStream(host.stdout)
        try:
            with anyio.fail_after(DEADLINE_SECONDS):
                while "ready" not in (line := orjson.loads(await lines.receive_until(b"\n", _MAX_LINE))):
                    sequences[line["commandId"]] = line["sequence"]
            started_at = start_time(line["agentPid"])
        except (anyio.IncompleteRead, TimeoutError) as error:
            raise DemoFailed("the first host did not reach its second turn") from error
        finally:
            host.send_signal(signal.SIGKILL)
        await host.wait()
        return FirstHost(
            pid=host.pid,
            agent_pid=line["agentPid"],
            agent_started_at=started_at,
            provider_session_id=line["providerSessionId"],
            sequences=sequences,
        )


async def _second_half(stage: Stage, first: FirstHost, say: Callable[[str], None]) -> Story:
    async with open_runtime(stage.database, providers=[stage.provider]) as runtime:
        at_opening = await runtime.get_snapshot(thread_id=THREAD)
        say("A second host opened the database and recovered: turn 2 is settled, turn 3 runs.")
        resent = await _resend(runtime, stage)
        head_at_kill = max(first.sequences.values())
        try:
            with anyio.fail_after(DEADLINE_SECONDS):
                await _third_turn(runtime, head_at_kill)
        except TimeoutError as error:
            raise DemoFailed("the queued turn did not run to its end") from error
        snapshot = await runtime.get_snapshot()
        diff = await runtime.get_turn_diff(THREAD, 0, 1)
        timeline = tuple([event async for event in runtime.replay_events(0)])
    survived = await in_thread(_agent_lives, first)
    report = await in_thread(verify_database, stage.database)
    return Story(
        first=first,
        head_at_kill=head_at_kill,
        at_opening=at_opening,
        resent=resent,
        timeline=timeline,
        snapshot=snapshot,
        diff=diff,
        agent_survived=survived,
        findings=tuple(report.findings),
    )


async def _resend(runtime: Runtime, stage: Stage) -> dict[str, int]:
    """Send the first host's commands again, as a client does that missed the answers."""
    answers: dict[str, int] = {}
    for command in (*setting(stage, now()), *(turn_start(number, now()) for number in (1, 2, 3))):
        try:
            result: DispatchResult = await runtime.dispatch(command)
        except CommandRejected:
            continue
        if result.duplicate:
            answers[command.command_id] = result.sequence
    return answers


async def _third_turn(runtime: Runtime, after: int) -> None:
    """Allow what the third turn asks for, until its checkpoint is recorded."""
    async with runtime.subscribe(after, thread_id=THREAD) as events:
        async for event in events:
            request = requested_approval(event)
            if request is not None and _is_pending(await runtime.get_snapshot(thread_id=THREAD), request):
                await runtime.dispatch(acceptance(request, now()))
            if captured_turn(event) == LAST_TURN:
                return


def _agent_lives(first: FirstHost) -> bool:
    """Whether anything of the agent that the first host had started still lives."""
    if first.agent_started_at is None:
        return False
    return bool(processes_of(ProcessIdentity(pid=first.agent_pid, started_at=first.agent_started_at)))


def _is_pending(snapshot: Snapshot, request: str) -> bool:
    return any(approval.request_id == request for approval in snapshot.threads[0].pending_approvals)
