"""Text of agents made fit for events: halves of surrogate pairs joined or replaced, cut at a bound."""

from __future__ import annotations

from .cut_markers import MARKER_BYTES, cut_text


def repaired(text: str) -> str:
    """`text` with the halves of surrogate pairs joined; a half that is alone becomes U+FFFD."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def ends_with_half(text: str) -> bool:
    """Whether the last character is the first half of a surrogate pair, whose second half may still come."""
    return "\ud800" <= text[-1:] <= "\udbff"


def first_bytes(text: str, size: int) -> str:
    """The longest beginning of `text` that takes at most `size` bytes in UTF-8."""
    return text[: max(0, size)].encode()[: max(0, size)].decode("utf-8", "ignore")


def bounded_text(text: str, size: int) -> str:
    """`text` repaired, and cut where it has over `size` bytes of UTF-8, the marker included."""
    if len(text) <= size // 4 and text.isascii():
        return text
    whole = repaired(text)
    if len(whole.encode()) <= size:
        return whole
    return cut_text(whole, len(first_bytes(whole, size - MARKER_BYTES)))
