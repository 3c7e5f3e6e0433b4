"""The parts of a runtime that all sessions share."""

from __future__ import annotations

import attrs

from ...persistence.readers import ReaderPool
from ..checkpoints.checkpointer import Checkpointer
from ..checkpoints.reverter import Reverter
from ..log.intent_notes import IntentNotes
from ..log.secret_answers import SecretAnswers
from ..projecting.projectors import Projectors
from ..providers.session_limits import SessionLimits
from .starter import AgentStarter


@attrs.frozen(kw_only=True)
class SessionParts:
    """Made once per runtime."""

    readers: ReaderPool
    projectors: Projectors
    starter: AgentStarter
    checkpointer: Checkpointer
    reverter: Reverter
    notes: IntentNotes
    secrets: SecretAnswers
    limits: SessionLimits
