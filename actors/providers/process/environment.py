"""The environment of an agent: the variables that pass from the host, and the host's changes to them.

The environment of a host may contain secrets that agents do not need, and variables about the host's own process. So
variables pass by an allow-list of names (`INHERITED`, and the names that each provider's agent reads), which a host can
replace by names of its own, or by `"all"`. Variables in `INHERITED` pass without credentials: a URL with a password
does not pass, except a proxy's, and neither do pairs of git's configuration with credentials. Variables that a host
names itself, by names that are not in `INHERITED`, by patterns or in `env`, pass unchanged.

Some variables never pass: those that set git's repository, since an agent's git would work on the host's repository;
and those about the host's own process, such as descriptors from its parent and the flags of a make that runs it. A host
that needs one of them gives it in `env`.
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

__all__ = ["INHERITED", "Environment", "Inherited", "agent_environment", "check_environment", "check_names"]

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
"""Variables that make git use another repository, index or object store than that of its working directory."""

_HOST_ALONE: Final = frozenset(
    {
        *("ORCHESTRION_GUARDIAN", "ORCHESTRION_SHARED"),  # marks of another agent that runs this host
        *("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"),
        *("NODE_CHANNEL_FD", "NODE_CHANNEL_SERIALIZATION_MODE", "NODE_UNIQUE_ID"),
        "CARGO_MAKEFLAGS",
    }
)
"""Variables about the host's process, most of them descriptors and sockets from its parent."""

_OF_A_MAKE: Final = frozenset({"MAKELEVEL", "MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "GNUMAKEFLAGS", "MAKE_TERMOUT"})
"""Variables that make sets for its commands: the jobserver's descriptors, and the variables of its command line."""

_CREDENTIALS_IN_URL: Final = re.compile(r"://[^\s/@:]*:[^\s/@]+@|https?://[^\s/@:]{16,}@", re.IGNORECASE)
_GIT_SECRET: Final = re.compile(r"extraheader|(?<!ask)pass(?:word)?$|token|secret|api_?key", re.IGNORECASE)
"""Keys of git's configuration whose values are credentials."""
_MOST_GIT_PAIRS: Final = 1000

_OF_A_BUNDLE: Final = ("_MEIPASS*", "_PYI_*", "PYTHONHOME", "PYTHONPATH", "PYTHONEXECUTABLE", "__PYVENV_LAUNCHER__")
"""Variables that a frozen application sets for its own process."""

_LIBRARY_PATHS: Final = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LIBPATH")


def agent_environment(
    host: Mapping[str, str], *, inherit: Inherited, own: Sequence[str] = (), env: Environment | None = None
) -> dict[str, str]:
    """The environment of an agent whose own variables are `own`, from the environment of its host.

    The variables that `inherit` names pass, except those of git's repository and of the host's own process, and those
    of `INHERITED` with credentials; then `env` overrides them.
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


def check_environment(env: Environment | None) -> dict[str, str | None]:
    """A copy of `env`. Raises: ValueError: a name or a value is not possible in an environment."""
    for name, value in (env or {}).items():
        if not isinstance(name, str) or not name or "=" in name or "\0" in name:
            raise ValueError(f"{name!r} is not a name of an environment variable")
        if value is not None and (not isinstance(value, str) or "\0" in value):
            raise ValueError(
                f"the environment variable {name} has a string without NUL as its value, or None to remove it"
            )
    return dict(env or {})


def check_names(inherit: Inherited) -> Inherited:
    """`inherit` as a tuple. Raises: ValueError: it is a string other than `all`, or a name is not a string."""
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
    """The pairs of git's configuration without credentials, numbered again; empty where a pair is incomplete."""
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
    """The environment in which a frozen application was started, without the paths of its own libraries."""
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
