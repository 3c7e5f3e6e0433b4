"""The state of a conversation as JSON text, and back. Pure.

A conversation is a frozen value: an adapter's state of one session of an agent process after the messages so far. The
state contains text of the agent unchanged, so it is read as it was written: nothing is refused, bounded or changed.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any, TypeVar

from cattrs import Converter
from cattrs.preconf.json import make_converter

__all__ = ["dump_state", "load_state"]

T = TypeVar("T")


def dump_state(state: Any) -> str:
    """A frozen value as JSON text in ASCII. Half of a surrogate pair is written as an escape."""
    return json.dumps(_converter().unstructure(state))


def load_state(text: str, cls: type[T]) -> T:
    """A value that `dump_state` wrote.

    Raises:
        ValueError: the text is not a state of this class.
    """
    try:
        fields: dict[str, Any] = {**json.loads(text)}
        return _converter().structure(fields, cls)
    except Exception as error:  # cattrs passes on any error of a constructor
        raise ValueError(f"this is not a state of {cls.__name__}: {error!r}") from error


@cache
def _converter() -> Converter:
    return make_converter(detailed_validation=False)
