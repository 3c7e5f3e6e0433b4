"""What clients may ask of a thread."""

from __future__ import annotations

from typing import TypeAlias, assert_never

from ..contracts.commands import (
    ThreadApprovalRespond,
    ThreadCheckpointRevert,
    ThreadDelete,
    ThreadMetaUpdate,
    ThreadQueueUpdate,
    ThreadSessionStop,
    ThreadTurnInterrupt,
    ThreadTurnStart,
    ThreadTurnSteer,
)
from ..contracts.events import (
    ThreadActivityAppended,
    ThreadApprovalResponseRequested,
    ThreadCheckpointRevertRequested,
    ThreadDeleted,
    ThreadMessageSent,
    ThreadMetaUpdated,
    ThreadQueueUpdated,
    ThreadSessionStopRequested,
    ThreadTurnInterruptRequested,
    ThreadTurnStartRequested,
    ThreadTurnSteerRequested,
)
from ..contracts.ids import TurnId
from ..contracts.values import UNSET, StoredAttachment
from .answers import answers_breach, withheld_answers, without
from .approvals import contradiction
from .attachments import message_attachments_activity
from .decision import Decision, DecisionRequest, DraftEvent, Rejection, one
from .evolve import ordered_queue
from .state import ApprovalFact, DecisionState, ThreadState

ThreadClientCommand: TypeAlias = (
    ThreadMetaUpdate
    | ThreadDelete
    | ThreadTurnStart
    | ThreadTurnSteer
    | ThreadQueueUpdate
    | ThreadTurnInterrupt
    | ThreadApprovalRespond
    | ThreadCheckpointRevert
    | ThreadSessionStop
)


def decide_thread(
    state: DecisionState, thread: ThreadState, command: ThreadClientCommand, request: DecisionRequest
) -> Decision:
    """Decide a client's command for a thread that exists."""
    match command:
        case ThreadMetaUpdate():
            return one(
                ThreadMetaUpdated(
                    thread_id=thread.thread_id,
                    title=command.title,
                    model=command.model,
                    branch=command.branch,
                    worktree_path=command.worktree_path,
                    updated_at=request.now,
                ),
                request.now,
                request,
            )
        case ThreadDelete():
            return one(ThreadDeleted(thread_id=thread.thread_id, deleted_at=request.now), request.now, request)
        case ThreadTurnStart():
            return _start_turn(state, thread, command, request)
        case ThreadTurnSteer():
            return _steer_turn(state, thread, command, request)
        case ThreadQueueUpdate():
            return _order_queue(thread, command, request)
        case ThreadTurnInterrupt():
            return _interrupt_turn(thread, command, request)
        case ThreadApprovalRespond():
            return _respond_to_approval(thread, command, request)
        case ThreadCheckpointRevert():
            return _request_revert(thread, command, request)
        case ThreadSessionStop():
            return one(
                ThreadSessionStopRequested(
                    thread_id=thread.thread_id,
                    forget_conversation=command.forget_conversation,
                    created_at=command.created_at,
                ),
                command.created_at,
                request,
            )
        case _:
            assert_never(command)


def _start_turn(
    state: DecisionState, thread: ThreadState, command: ThreadTurnStart, request: DecisionRequest
) -> Decision:
    message = command.message
    if state.message(message.message_id) is not None:
        return Rejection(reason=f"message {message.message_id!r} exists already")
    assert request.turn_id is not None, "a turn start comes with the id of its turn"
    requested = ThreadTurnStartRequested(
        thread_id=thread.thread_id,
        turn_id=request.turn_id,
        message_id=message.message_id,
        model=command.model,
        effort=command.effort,
        created_at=command.created_at,
    )
    return _with_message(command, requested, request)


def _steer_turn(
    state: DecisionState, thread: ThreadState, command: ThreadTurnSteer, request: DecisionRequest
) -> Decision:
    message = command.message
    if state.message(message.message_id) is not None:
        return Rejection(reason=f"message {message.message_id!r} exists already")
    requested = ThreadTurnSteerRequested(
        thread_id=thread.thread_id,
        turn_id=thread.running_turn_id,
        message_id=message.message_id,
        created_at=command.created_at,
    )
    return _with_message(command, requested, request)


def _with_message(
    command: ThreadTurnStart | ThreadTurnSteer,
    requested: ThreadTurnStartRequested | ThreadTurnSteerRequested,
    request: DecisionRequest,
) -> Decision:
    """The user's message, then the request that it causes."""
    message = command.message
    sent = ThreadMessageSent(
        thread_id=command.thread_id,
        message_id=message.message_id,
        role=message.role,
        text=message.text,
        attachments=message.attachments,
        turn_id=None,
        streaming=False,
        created_at=command.created_at,
        updated_at=command.created_at,
    )
    return (
        DraftEvent(payload=sent, occurred_at=command.created_at, caused_by=request.caused_by),
        *_attachments_named(command, request.turn_id if isinstance(command, ThreadTurnStart) else None),
        DraftEvent(payload=requested, occurred_at=command.created_at, caused_by_first=True),
    )


def _attachments_named(command: ThreadTurnStart | ThreadTurnSteer, turn_id: TurnId | None) -> tuple[DraftEvent, ...]:
    """The event that names the stored attachments of the message, where it has some."""
    stored = [one for one in command.message.attachments if isinstance(one, StoredAttachment)]
    if not stored:
        return ()
    now = command.created_at
    activity = message_attachments_activity(command.message.message_id, stored, turn_id=turn_id, now=now)
    appended = ThreadActivityAppended(thread_id=command.thread_id, activity=activity, created_at=now)
    return (DraftEvent(payload=appended, occurred_at=now, caused_by_first=True),)


def _order_queue(thread: ThreadState, command: ThreadQueueUpdate, request: DecisionRequest) -> Decision:
    named = command.turn_ids
    repeated = next((turn_id for place, turn_id in enumerate(named) if turn_id in named[:place]), None)
    if repeated is not None:
        return Rejection(reason=f"turn {repeated!r} is named twice")
    missing = next((turn_id for turn_id in named if turn_id not in thread.queue), None)
    if missing is not None:
        waiting = ", ".join(repr(turn_id) for turn_id in thread.queue) or "none"
        return Rejection(
            reason=f"turn {missing!r} is not waiting on thread {thread.thread_id!r}; waiting turns: {waiting}"
        )
    ordered = ThreadQueueUpdated(
        thread_id=thread.thread_id, turn_ids=ordered_queue(thread.queue, named), created_at=command.created_at
    )
    return one(ordered, command.created_at, request)


def _interrupt_turn(thread: ThreadState, command: ThreadTurnInterrupt, request: DecisionRequest) -> Decision:
    queued = thread.queued_starts
    if command.turn_id is UNSET:
        turn_id = thread.running_turn_id or (queued[0].turn_id if queued else None)
        if turn_id is None:
            return Rejection(reason=f"thread {thread.thread_id!r} has no running or queued turn")
    else:
        turn_id = command.turn_id
        if turn_id != thread.running_turn_id and thread.queued_start(turn_id) is None:
            return Rejection(reason=f"turn {turn_id!r} is not running or queued on thread {thread.thread_id!r}")
    return one(
        ThreadTurnInterruptRequested(thread_id=thread.thread_id, turn_id=turn_id, created_at=command.created_at),
        command.created_at,
        request,
    )


def _respond_to_approval(thread: ThreadState, command: ThreadApprovalRespond, request: DecisionRequest) -> Decision:
    approval = thread.approvals.get(command.request_id)
    if approval is None or not approval.pending:
        return Rejection(
            reason=f"approval request {command.request_id!r} is not pending on thread {thread.thread_id!r}"
        )
    breach = _option_breach(approval, command)
    if breach is not None:
        return Rejection(reason=breach)
    breach = answers_breach(approval.details, command)
    if breach is not None:
        return Rejection(
            reason=f"approval request {command.request_id!r} of thread {thread.thread_id!r} is not answered: {breach}"
        )
    withheld = {} if command.answers is UNSET else withheld_answers(approval.details, command.answers)
    requested = ThreadApprovalResponseRequested(
        thread_id=thread.thread_id,
        request_id=command.request_id,
        decision=command.decision,
        option_id=command.option_id,
        answers=UNSET if command.answers is UNSET else without(command.answers, withheld),
        created_at=command.created_at,
    )
    return (
        DraftEvent(payload=requested, occurred_at=command.created_at, caused_by=request.caused_by, withheld=withheld),
    )


def _option_breach(approval: ApprovalFact, command: ThreadApprovalRespond) -> str | None:
    """What keeps the named option from being the answer. Where the options are not known, its session finds out."""
    if command.option_id is UNSET or approval.details is None:
        return None
    options = approval.details.options
    option = next((one for one in options if one.id == command.option_id), None)
    if option is not None:
        return contradiction(option, command.decision)
    offered = ", ".join(repr(one.id) for one in options) or "none"
    return (
        f"option {command.option_id!r} is not one that approval request {command.request_id!r} of thread "
        f"{command.thread_id!r} offers: {offered}"
    )


def _request_revert(thread: ThreadState, command: ThreadCheckpointRevert, request: DecisionRequest) -> Decision:
    highest = max(thread.checkpoint_counts, default=0)
    if command.turn_count > highest:
        return Rejection(
            reason=f"thread {thread.thread_id!r} has checkpoints up to turn {highest}, not up to {command.turn_count}"
        )
    if thread.running_turn_id is not None:
        return Rejection(reason=f"turn {thread.running_turn_id!r} runs on thread {thread.thread_id!r}")
    return one(
        ThreadCheckpointRevertRequested(
            thread_id=thread.thread_id,
            turn_count=command.turn_count,
            revert_others=command.revert_others,
            created_at=command.created_at,
        ),
        command.created_at,
        request,
    )
