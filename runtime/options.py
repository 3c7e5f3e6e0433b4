"""What a host may set. Every default is what a desktop host wants; every bound is named here."""

from __future__ import annotations

import os
from typing import Literal, TypeAlias

import attrs

from ..actors.checkpoints.captures_under_way import CaptureBudget
from ..actors.checkpoints.reverter import RevertPolicy
from ..actors.providers.session_limits import SessionLimits
from ..actors.sessions.conversation_loss import ResumePolicy
from ..actors.sessions.provider_choice import ChooseProvider
from ..contracts.mint import Mint
from ..contracts.system_mint import SystemMint
from ..persistence.blobs import RetentionPolicy
from ..persistence.bootstrap import ProgressListener
from ..persistence.database import Durability

CopyPolicy: TypeAlias = Literal["cancel", "perform"]


@attrs.frozen(kw_only=True)
class RuntimeOptions:
    """Options of one runtime."""

    sessions: SessionLimits = attrs.field(factory=SessionLimits)
    captures: CaptureBudget = attrs.field(factory=CaptureBudget)
    """How long the captures of workspaces may take."""
    choose_provider: ChooseProvider | None = None
    """The provider for a thread that was created for none, and what the host gives the thread's sessions.

    Returns the name of a provider, a `SessionConfig`, or a pair of both. It is asked once for a thread in each life of
    the runtime, and answers from the thread alone: a config is not stored, and applies when a conversation is resumed
    too. Its name is needed with more than one provider, unless every thread is created for one.
    """
    revert_policy: RevertPolicy = "start-afresh"
    """What a revert does where the agent cannot roll its conversation back: end it with a stated loss, or refuse."""
    python: str | os.PathLike[str] | None = None
    """The Python interpreter, 3.9 or later, that runs the guardians of agents. None: one is looked for, which is this
    process's own unless this process is a frozen application or embeds its interpreter."""
    resume_policy: ResumePolicy = "refuse"
    """What a thread does whose agent cannot or does not resume its conversation: fail the turn, naming the way out, or
    start a new conversation, with the loss stated in its history."""
    copy_policy: CopyPolicy = "cancel"
    """The treatment of the queued turns and open reverts of a copy of a database, or of a restored backup, when it is
    first opened with providers. The original may have performed them since: they are cancelled, with the reason in
    their threads' histories, or performed."""
    retention: RetentionPolicy = attrs.field(factory=RetentionPolicy)
    """When stored attachments are removed that nothing refers to any more."""
    progress: ProgressListener | None = None
    """Called on a worker thread while projections are brought to the head, with events applied and the head."""
    durability: Durability = "full"
    """`normal`: an acknowledged command survives the end of the process, but the last ones not a loss of power."""
    reader_connections: int = 4
    loaded_threads: int = 1000
    """About how many threads' decision states are kept in memory."""
    shutdown_deadline: float = 10.0
    """Seconds that a clean stop may take before its actors are cancelled."""
    mint: Mint = attrs.field(factory=SystemMint)
    """Where instants and ids come from."""
