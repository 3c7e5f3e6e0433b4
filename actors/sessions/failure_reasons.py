"""Why something failed, as a value that programs compare, from the error that says so."""

from __future__ import annotations

from ...contracts.errors import ProviderError, StoreError
from ...contracts.values import FailureReason


def reason_of(error: BaseException) -> FailureReason:
    """The reason of a failure; `unknown` where it does not say."""
    match error:
        case ProviderError():
            return error.reason or "unknown"
        case StoreError():
            return "storage"
        case _:
            return "unknown"
