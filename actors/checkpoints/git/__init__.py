"""Checkpoints of a workspace: capture it beside the user's own git, diff two captures, and go back to one."""

from __future__ import annotations

from .capture import Capture
from .diff import DiffLimits, WorkspaceDiff
from .git import CaptureFailed, deadline
from .git_program import GitTooOld, GitUnavailable, find_git
from .git_workspace import GitWorkspace
from .kept import KeptRef
from .obstacles import RestoreRefused
from .refs import RefKind, RefName, RefNames, baseline_ref, checkpoint_ref, parse_ref, safety_ref, thread_component
from .restore import Restored, RestoreFailed, RestoreForecast
from .scratch import CaptureLimits
from .shadow import shadow_home
from .shadow_sizes import ShadowStats, read_shadow_stats
from .skipped import SkippedPaths

__all__ = [
    "Capture",
    "CaptureFailed",
    "CaptureLimits",
    "DiffLimits",
    "GitTooOld",
    "GitUnavailable",
    "GitWorkspace",
    "KeptRef",
    "RefKind",
    "RefName",
    "RefNames",
    "RestoreFailed",
    "RestoreForecast",
    "RestoreRefused",
    "Restored",
    "ShadowStats",
    "SkippedPaths",
    "WorkspaceDiff",
    "baseline_ref",
    "checkpoint_ref",
    "deadline",
    "find_git",
    "parse_ref",
    "read_shadow_stats",
    "safety_ref",
    "shadow_home",
    "thread_component",
]
