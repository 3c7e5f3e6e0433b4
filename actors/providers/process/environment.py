"""What an agent's environment holds: what passes from the host, and what the host's configuration changes in it.

The environment of a host may hold secrets that are not the agents' business, and variables that are about the host
alone. So variables pass by an allow-list of names (`INHERITED`, with what each provider's agent reads besides), which a
host replaces by names of its own, or by `"all"`. What passes because it is in `INHERITED` passes without credentials: a
URL with a password does not, but for a proxy's, nor do the pairs of git's configuration that log in. What a host names
itself, by names that are not in `INHERITED`, by patterns or in `env`, passes as it is.

Some variables never pass. Those by which git is told where a repository is: an agent's git would work on the host's
repository. Those about the host's own process: the descriptors that its parent gave it, and the flags of a make that
runs it. A host that needs one of them gives it in `env`.
Source: `git rev-parse --local-env-vars`; https://pyinstaller.org/en/stable/runtime-information.html
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final, Literal, TypeAlias

from ..redaction import redacted
from .inherited_names import GIT_PAIRS, INHERITED, PROXIES

__all__ = ["INHERITED", "Environment", "Inherited", "agent_environment", "checked_environment", "checked_names"]

Environment: TypeAlias = Mapping[str, str | None]
"""Variables to set; None removes one."""

Inherited: TypeAlias = Sequence[str] | Literal["all"]
"""Names of variables that pass from the host, `*` and `?` as in file names; `all` for every one."""

_GIT_VIEW: Final = frozenset(
    {
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_ATTR_SOURCE",
        "GIT_CEILING_DIRECTORIES",
        "GIT_COMMON_DIR",
        "GIT_CONFIG",
        "GIT_DEFAULT_REF_FORMAT",
        "GIT_DIR",
        "GIT_DISCOVERY_ACROSS_FILESYSTEM",
        "GIT_GRAFT_FILE",
        "GIT_IMPLICIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_INDEX_VERSION",
        "GIT_INTERNAL_SUPER_PREFIX",
        "GIT_LITERAL_PATHSPECS",
        "GIT_GLOB_PATHSPECS",
        "GIT_NOGLOB_PATHSPECS",
        "GIT_ICASE_PATHSPECS",
        "GIT_NAMESPACE",
        "GIT_NO_REPLACE_OBJECTS",
        "GIT_OBJECT_DIRECTORY",
        "GIT_PREFIX",
        "GIT_QUARANTINE_PATH",
        "GIT_REFLOG_ACTION",
        "GIT_REF_PARANOIA",
        "GIT_REPLACE_REF_BASE",
        "GIT_SHALLOW_FILE",
        "GIT_WORK_TREE",
    }
)
"""What makes git see another repository, index or object store than the one of its working directory."""

_HOST_ALONE: Final = frozenset(
    {
        *("ORCHESTRION_GUARDIAN", "ORCHESTRION_SHARED"),  # marks of another agent, where a host runs below one
        *("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"),
        *("NODE_CHANNEL_FD", "NODE_CHANNEL_SERIALIZATION_MODE", "NODE_UNIQUE_ID"),
        "CARGO_MAKEFLAGS",
    }
)
"""What is about the host's process, most of it descriptors and sockets that its parent gave to it alone."""

_OF_A_MAKE: Final = frozenset({"MAKELEVEL", "MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "GNUMAKEFLAGS", "MAKE_TERMOUT"})
"""What a make gives to what it runs: its jobserver's descriptors, and the variables of its command line."""

_CREDENTIALS_IN_URL: Final = re.compile(r"://[^\s/@:]*:[^\s/@]+@|https?://[^\s/@:]{16,}@", re.IGNORECASE)
_GIT_SECRET: Final = re.compile(r"extraheader|(?<!ask)pass(?:word)?$|token|secret|api_?key", re.IGNORECASE)
"""In the key of a pair of git's configuration: its value is a credential."""
_MOST_GIT_PAIRS: Final = 1000

_OF_A_BUNDLE: Final = ("_MEIPASS*", "_PYI_*", "PYTHONHOME", "PYTHONPATH", "PYTHONEXECUTABLE", "__PYVENV_LAUNCHER__")
"""What the start of a frozen application sets for itself alone."""

_LIBRARY_PATHS: Final = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LIBPATH")


def agent_environment(
    host: Mapping[str, str], *, inherit: Inherited, own: Sequence[str] = (), env: Environment | None = None
) -> dict[str, str]:
    """The environment of an agent whose own variables are `own`, from the environment of its host.

    What `inherit` names passes, but for what makes git see another repository and what is about the host's own program,
    and for credentials in what is in `INHERITED`; then `env` is laid over it.
    """
    host = _restore_library_paths(host)
    never = _GIT_VIEW | _HOST_ALONE | (_OF_A_MAKE if "MAKELEVEL" in host else set())
    allowed = {name: value for name, value in host.items() if name not in never}
    passed = allowed if inherit == "all" else _named(allowed, inherit, own)
    for name, value in (env or {}).items():
        if value is None:
            passed.pop(name, None)
        else:
            passed[name] = value
    return passed


def checked_environment(env: Environment | None) -> dict[str, str | None]:
    """A copy of `env`. Raises: ValueError: it has a name or a value that no environment can have."""
    for name, value in (env or {}).items():
        if not isinstance(name, str) or not name or "=" in name or "\0" in name:
            raise ValueError(f"{name!r} is no name of an environment variable")
        if value is not None and (not isinstance(value, str) or "\0" in value):
            raise ValueError(
                f"the environment variable {name} has a string without NUL as its value, or None to remove it"
            )
    return dict(env or {})


def checked_names(inherit: Inherited) -> Inherited:
    """`inherit` itself, as a tuple. Raises: ValueError: it is a string other than `all`, or names are no strings."""
    if inherit == "all":
        return "all"
    if isinstance(inherit, str) or not all(isinstance(name, str) and name for name in inherit):
        raise ValueError(f"inherit_env is a sequence of names, or 'all': {inherit!r}")
    return tuple(inherit)


def _named(host: Mapping[str, str], inherit: Sequence[str], own: Sequence[str]) -> dict[str, str]:
    default = frozenset(inherit).intersection(INHERITED)
    passed = {
        name: value
        for name, value in host.items()
        if name in default and (name in PROXIES or not _CREDENTIALS_IN_URL.search(value))
    }
    if passed.pop(GIT_PAIRS, None) is not None:
        passed |= _git_pairs(host)
    patterns = [*default.symmetric_difference(inherit), *own]
    return passed | {
        name: value for name, value in host.items() if any(fnmatchcase(name, pattern) for pattern in patterns)
    }


def _git_pairs(host: Mapping[str, str]) -> dict[str, str]:
    """The pairs of git's configuration that carry no credentials, numbered anew; nothing where they are not whole."""
    count = host.get(GIT_PAIRS, "")
    if not (count.isascii() and count.isdigit() and len(count) < 6 and int(count) <= _MOST_GIT_PAIRS):
        return {}
    kept: list[tuple[str, str]] = []
    for number in range(int(count)):
        key, value = host.get(f"GIT_CONFIG_KEY_{number}"), host.get(f"GIT_CONFIG_VALUE_{number}")
        if key is None or value is None:
            return {}
        if not _has_credentials(key, value):
            kept.append((key, value))
    pairs = {GIT_PAIRS: str(len(kept))}
    for number, (key, value) in enumerate(kept):
        pairs |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return pairs


def _has_credentials(key: str, value: str) -> bool:
    if key.lower().endswith(".proxy"):
        return False
    return bool(_GIT_SECRET.search(key) or _CREDENTIALS_IN_URL.search(f"{key} {value}") or redacted(value) != value)


def _restore_library_paths(host: Mapping[str, str]) -> dict[str, str]:
    """The environment in which a frozen application was started: its own libraries are no other program's."""
    found = dict(host)
    for name in _LIBRARY_PATHS:
        original = found.pop(f"{name}_ORIG", None)
        if original is not None:
            found[name] = original
        elif getattr(sys, "frozen", False):
            found.pop(name, None)
    if not getattr(sys, "frozen", False):
        return found
    return {name: value for name, value in found.items() if not any(fnmatchcase(name, one) for one in _OF_A_BUNDLE)}
