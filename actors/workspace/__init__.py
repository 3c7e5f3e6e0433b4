"""Checkpoints of a workspace that is a git work tree: capture it beside the user's own git, and diff two captures."""

from __future__ import annotations

from .capture import Capture, GitWorkspace
from .diff import WorkspaceDiff
from .git import CaptureFailed, GitUnavailable, find_git
from .refs import baseline_ref, checkpoint_ref

__all__ = [
    "Capture",
    "CaptureFailed",
    "GitUnavailable",
    "GitWorkspace",
    "WorkspaceDiff",
    "baseline_ref",
    "checkpoint_ref",
    "find_git",
]
