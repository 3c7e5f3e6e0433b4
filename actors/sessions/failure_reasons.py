"""Maps errors to the stable reasons of failures."""

from __future__ import annotations

from ...contracts.errors import ProviderError, ProviderUnavailable, ResumeRefused, StoreError
from ...contracts.values import FailureReason
from ...domain.session.inputs import Failure


def reason_of(error: BaseException) -> FailureReason:
    """The reason of a failure; `unknown` if the error has none."""
    match error:
        case ProviderError():
            return error.reason or "unknown"
        case StoreError():
            return "storage"
        case _:
            return "unknown"


def failure_of(error: BaseException) -> Failure:
    """The failure as the session's machine and the thread's history represent it."""
    return Failure(
        message=str(error),
        reason=reason_of(error),
        is_refused_resume=isinstance(error, ResumeRefused),
        login=error.login if isinstance(error, ProviderUnavailable) else (),
    )
