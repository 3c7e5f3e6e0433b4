"""Where the program of Codex is."""

from __future__ import annotations

from pathlib import Path

__all__ = ["find_codex"]


def find_codex() -> Path | None:
    """The native program that the package `openai-codex` brings; None where the package is not installed."""
    try:
        from codex_cli_bin import bundled_codex_path
    except ImportError:
        return None
    return Path(str(bundled_codex_path()))
