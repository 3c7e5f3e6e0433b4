"""The environment that git runs in: the host's, without what changes git's view of a repository.

A host may itself run inside a hook, so `GIT_DIR` and the like do not reach git. What says where git and its
configuration are does, and so does configuration given by `GIT_CONFIG_COUNT`: containers and CI name the directories
to trust (`safe.directory`) that way. Of that, keys that would move or change the repository are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

_KEPT_VARIABLES: Final = frozenset(
    {
        "GIT_CEILING_DIRECTORIES",
        "GIT_CONFIG_GLOBAL",
        "GIT_CONFIG_NOSYSTEM",
        "GIT_CONFIG_SYSTEM",
        "GIT_DISCOVERY_ACROSS_FILESYSTEM",
        "GIT_EXEC_PATH",
    }
)

_VARIABLES: Final = {
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}

_CHANGES_THE_VIEW: Final = ("core.bare", "core.worktree", "core.repositoryformatversion", "extensions.", "alias.")
"""Keys, or what opens them, that say what and where a repository is."""

_MOST_SETTINGS: Final = 1000


def git_environment(host: Mapping[str, str]) -> dict[str, str]:
    """The variables for a git process of a host with the variables `host`."""
    inherited = {
        name: text
        for name, text in host.items()
        if not name.upper().startswith("GIT_") or name.upper() in _KEPT_VARIABLES
    }
    settings = [(key, value) for key, value in _settings(host) if not key.lower().startswith(_CHANGES_THE_VIEW)]
    given: dict[str, str] = {}
    for number, (key, value) in enumerate(settings):
        given |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    if settings:
        given["GIT_CONFIG_COUNT"] = str(len(settings))
    return inherited | given | _VARIABLES


def _settings(host: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The configuration in `GIT_CONFIG_COUNT` and its keys and values; pairs that are not whole are left out."""
    count = host.get("GIT_CONFIG_COUNT", "")
    for number in range(min(int(count), _MOST_SETTINGS) if count.isascii() and count.isdigit() else 0):
        key, value = host.get(f"GIT_CONFIG_KEY_{number}"), host.get(f"GIT_CONFIG_VALUE_{number}")
        if key and value is not None:
            yield key, value
