"""Reading a stored attachment: the event that refers to it, then its file."""

from __future__ import annotations

from ..contracts.blobs import is_digest
from ..contracts.errors import InvalidRequest
from ..contracts.ids import ThreadId
from ..contracts.read_model import AttachmentContent
from ..contracts.values import Digest
from ..persistence.blobs import BlobStore, find_reference
from ..persistence.readers import ReaderPool
from ..persistence.threads import in_thread


async def read_attachment(readers: ReaderPool, digest: str, thread_id: ThreadId | None) -> AttachmentContent:
    """The bytes of an attachment that an event refers to, of one thread or of any.

    Raises:
        InvalidRequest: the digest is none.
        NotFound: no such event refers to it.
        AttachmentUnreadable: its file is missing or damaged.
        StoreError: the database or the file cannot be read.
    """
    if not is_digest(digest):
        raise InvalidRequest("digest", f"expected sha256: and 64 hexadecimal digits, found {digest[:80]!r}")
    known = Digest(digest)
    found = await readers.run(lambda database: find_reference(database, known, thread_id=thread_id))
    return AttachmentContent(
        digest=known,
        name=found.attachment.name,
        media_type=found.attachment.media_type,
        content=await in_thread(BlobStore.beside(readers.path).read, known),
    )
