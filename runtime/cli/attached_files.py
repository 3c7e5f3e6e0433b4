"""A file that a person attaches to a prompt."""

from __future__ import annotations

from pathlib import Path

from ...contracts.attachments import attachment_of
from ...contracts.errors import InvalidRequest
from ...contracts.values import MAX_ATTACHMENT_BYTES, Attachment
from ...persistence.failures import translate_errors


def read_attached_file(named: Path) -> Attachment:
    """Read a file to send with a prompt; `~` is expanded. Blocks.

    Raises:
        InvalidRequest: it is no regular file, is empty or too large.
        StoreError: it cannot be read.
    """
    path = named.expanduser()
    with translate_errors(path):
        if not path.is_file():
            raise InvalidRequest("attachment", f"{path} is no regular file")
        with path.open("rb") as file:
            content = file.read(MAX_ATTACHMENT_BYTES + 1)
    if not 0 < len(content) <= MAX_ATTACHMENT_BYTES:
        raise InvalidRequest("attachment", f"{path} is empty or has more than {MAX_ATTACHMENT_BYTES} bytes")
    return attachment_of(content, name=path.name)
