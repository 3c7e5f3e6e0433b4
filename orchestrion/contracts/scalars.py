"""Scalars as they come over the wire: what makes text an identifier, an instant, a title, and a number a count.

Readers are cattrs' structure hooks, called with the data and its type: every field of every command and event goes
through one, twice, so there is no layer between.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import orjson
from cattrs import Converter

from .blobs import is_digest
from .ids import IDENTIFIERS, MAX_IDENTIFIER_LENGTH, identifier_fault
from .values import (
    MAX_ANSWERS_BYTES,
    MAX_ATTACHMENT_BYTES,
    MAX_ATTACHMENT_NAME,
    MAX_MESSAGE_TEXT,
    Answers,
    AttachmentName,
    AttachmentSize,
    Count,
    DataUrl,
    Digest,
    Instant,
    JsonObject,
    Label,
    MediaType,
    MessageText,
    normalised_instant,
)

MAX_JSON_INTEGER: Final = 2**63 - 1
MAX_JSON_DEPTH: Final = 64


def register_scalars(converter: Converter) -> None:
    """Teach a converter to read text, numbers and the values made of one text or number, strictly."""

    def register(kind: Any, read: Callable[[Any, Any], Any]) -> None:
        converter.register_structure_hook_func(lambda cls: cls is kind, read)

    # cattrs coerces builtin classes by its own direct hooks, which precede predicates: replace those.
    converter.register_structure_hook(str, _text)
    converter.register_structure_hook(int, _integer)
    converter.register_structure_hook(bool, _boolean)
    register(Instant, _instant)
    register(Label, lambda data, _: _sized_text(data, 1, None))
    register(MessageText, lambda data, _: _sized_text(data, 0, MAX_MESSAGE_TEXT))
    register(AttachmentName, lambda data, _: _sized_text(data, 1, MAX_ATTACHMENT_NAME))
    register(MediaType, _media_type)
    register(DataUrl, lambda data, _: _prefixed(data, "data:"))
    register(Digest, _digest)
    register(AttachmentSize, lambda data, _: _whole(data, MAX_ATTACHMENT_BYTES))
    register(Count, lambda data, _: _whole(data, MAX_JSON_INTEGER))
    register(Answers, _answers)
    for kind in IDENTIFIERS:
        register(kind, _identifier)
    converter.register_structure_hook_func(lambda cls: cls == JsonObject, _json_object)


def kind_of(data: object) -> str:
    """What JSON calls a value, for messages."""
    match data:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case str():
            return "text"
        case int() | float():
            return "a number"
        case list() | tuple():
            return "a list"
        case dict():
            return "an object"
        case _:
            return type(data).__name__


def _text(data: Any, _: Any = None) -> str:
    if not isinstance(data, str):
        raise ValueError(f"expected text, found {kind_of(data)}")
    if not data.isascii():
        try:
            data.encode()
        except UnicodeEncodeError:
            raise ValueError("the text holds a lone surrogate, which is no character") from None
    return data


def _sized_text(data: Any, least: int, most: int | None) -> str:
    text = _text(data)
    if len(text) < least:
        raise ValueError("the text is empty")
    if most is not None and len(text) > most:
        raise ValueError(f"at most {most} characters are allowed, found {len(text)}")
    return text


def _prefixed(data: Any, prefix: str) -> str:
    text = _text(data)
    if not text.startswith(prefix) or text == prefix:
        raise ValueError(f"expected {prefix}…, found {text[:40]!r}")
    return text


def _media_type(data: Any, _: Any = None) -> str:
    text = _text(data)
    kind, slash, subtype = text.partition("/")
    if not (kind and slash and subtype):
        raise ValueError(f"expected a media type such as image/png, found {text[:40]!r}")
    return text


def _digest(data: Any, _: Any = None) -> str:
    text = _text(data)
    if not is_digest(text):
        raise ValueError(f"expected sha256: and 64 hexadecimal digits, found {text[:80]!r}")
    return text


def _identifier(data: Any, _: Any = None) -> str:
    if type(data) is str and data.isascii() and data.isprintable() and 0 < len(data) <= MAX_IDENTIFIER_LENGTH:
        return data  # what nearly every identifier is, told by four calls of C
    text = _text(data)
    fault = identifier_fault(text)
    if fault is not None:
        raise ValueError(fault)
    return text


def _instant(data: Any, _: Any = None) -> Instant:
    return normalised_instant(_text(data))


def _integer(data: Any, _: Any = None) -> int:
    if not isinstance(data, int) or isinstance(data, bool):
        raise ValueError(f"expected a whole number, found {kind_of(data)}")
    if not -MAX_JSON_INTEGER - 1 <= data <= MAX_JSON_INTEGER:
        raise ValueError("the number does not fit 64 bits")
    return data


def _whole(data: Any, most: int) -> int:
    number = _integer(data)
    if not 0 <= number <= most:
        raise ValueError(f"expected a whole number from 0 to {most}, found {number}")
    return number


def _boolean(data: Any, _: Any = None) -> bool:
    if not isinstance(data, bool):
        raise ValueError(f"expected true or false, found {kind_of(data)}")
    return data


def _json_object(data: Any, _: Any = None) -> JsonObject:
    if not isinstance(data, dict):
        raise ValueError(f"expected an object, found {kind_of(data)}")
    _check_json(data, 0)
    return data


def _answers(data: Any, _: Any = None) -> Answers:
    answers = _json_object(data)
    size = len(orjson.dumps(answers))
    if size > MAX_ANSWERS_BYTES:
        raise ValueError(f"at most {MAX_ANSWERS_BYTES} bytes as JSON are allowed, found {size}")
    return Answers(answers)


def _check_json(data: Any, depth: int) -> None:
    if depth > MAX_JSON_DEPTH:
        raise ValueError(f"JSON nested deeper than {MAX_JSON_DEPTH} levels")
    match data:
        case None | bool():
            pass
        case str():
            _text(data)
        case int():
            _integer(data)
        case float():
            if not math.isfinite(data):
                raise ValueError("a number that is not finite has no JSON form")
        case list() | tuple():
            for item in data:
                _check_json(item, depth + 1)
        case dict():
            for key, item in data.items():
                _text(key)
                _check_json(item, depth + 1)
        case _:
            raise ValueError(f"{type(data).__name__} has no JSON form")
