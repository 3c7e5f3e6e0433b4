"""Whether a database keeps the rules of the contract: its schema, its log, and all that is derived from the log."""

from __future__ import annotations

from .findings import Check, Finding, VerifyReport
from .verification import verify_database

__all__ = ["Check", "Finding", "VerifyReport", "verify_database"]
