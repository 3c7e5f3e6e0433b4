"""The request that a turn hands to its agent, read from the log and the stored attachments."""

from __future__ import annotations

import attrs

from ...contracts.attachments import inline_content
from ...contracts.errors import AttachmentUnreadable, ProviderError
from ...contracts.events import PersistedEvent, ThreadMessageSent, ThreadTurnStartRequested, ThreadTurnSteerRequested
from ...contracts.values import Attachment, MessageAttachment, StoredAttachment, Unset
from ...persistence.blobs import BlobStore
from ...persistence.event_store import read_event
from ...persistence.readers import ReaderPool
from ...persistence.threads import in_thread
from ..providers.adapter import SteerRequest, TurnRequest
from .context import AGENTS_OWN_MODEL, ThreadContext


async def read_turn_request(
    readers: ReaderPool, intent: PersistedEvent, start: ThreadTurnStartRequested
) -> TurnRequest:
    """The message that caused the request, with the request's model and effort.

    Raises:
        ProviderError: the message cannot be read, or an attachment of it is missing or damaged.
        StoreError: the log or a file cannot be read.
    """
    sent = await _read_message(readers, intent)
    return TurnRequest(
        text=sent.text,
        turn_id=start.turn_id,
        attachments=await _attachments_of(readers, sent),
        model=None if isinstance(start.model, Unset) else start.model,
        effort=None if isinstance(start.effort, Unset) else start.effort,
    )


async def read_steer_request(readers: ReaderPool, intent: PersistedEvent) -> SteerRequest:
    """The message of a steering request. Raises as `read_turn_request` does."""
    sent = await _read_message(readers, intent)
    return SteerRequest(text=sent.text, message_id=sent.message_id, attachments=await _attachments_of(readers, sent))


async def _attachments_of(readers: ReaderPool, sent: ThreadMessageSent) -> tuple[Attachment, ...]:
    return () if isinstance(sent.attachments, Unset) else await _with_contents(readers, sent.attachments)


async def _read_message(readers: ReaderPool, request: PersistedEvent) -> ThreadMessageSent:
    """The message of a request: its cause. That of a steered turn is the cause of the steering request."""
    cause: PersistedEvent | None = request
    while cause is not None and not isinstance(cause.payload, ThreadMessageSent):
        is_request = isinstance(cause.payload, ThreadTurnStartRequested | ThreadTurnSteerRequested)
        cause = await _read_cause(readers, cause) if is_request else None
    if cause is None:
        raise ProviderError(f"the message of request {request.event_id!r} cannot be read from the log")
    assert isinstance(cause.payload, ThreadMessageSent)
    return cause.payload


async def _read_cause(readers: ReaderPool, event: PersistedEvent) -> PersistedEvent | None:
    cause = event.causation_event_id
    found = None if cause is None else await readers.run(lambda database: read_event(database, cause))
    return found if isinstance(found, PersistedEvent) else None


async def _with_contents(readers: ReaderPool, attachments: tuple[MessageAttachment, ...]) -> tuple[Attachment, ...]:
    if not attachments:
        return ()
    store = BlobStore.beside(readers.path)
    try:
        return await in_thread(lambda: tuple(_with_content(store, one) for one in attachments))
    except AttachmentUnreadable as error:
        raise ProviderError(str(error), reason="storage") from error


def _with_content(store: BlobStore, attachment: MessageAttachment) -> Attachment:
    """An attachment with its bytes. Those of older logs have them in the event."""
    if not isinstance(attachment, StoredAttachment):
        return attachment
    return Attachment(
        type=attachment.type,
        name=attachment.name,
        mime_type=attachment.mime_type,
        size_bytes=attachment.size_bytes,
        data_url=inline_content(attachment.mime_type, store.read(attachment.digest)),
    )


def with_model(request: TurnRequest, context: ThreadContext, *, can_switch: bool) -> tuple[TurnRequest, str | None]:
    """The request with the turn's effective model: its own, else the thread's, else the project's.

    `default` means the agent's own and is not passed. The model of the thread or project is left out for an agent that
    offers no choice, and is returned as the second value, so that the history can name it. The model of the turn itself
    is always passed: the agent may refuse it.
    """
    model, left_out = request.model or context.model, None
    if request.model is None and model is not None and not can_switch:
        model, left_out = None, model
    return attrs.evolve(request, model=None if model == AGENTS_OWN_MODEL else model), left_out
