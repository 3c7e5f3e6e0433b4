"""What an agent's environment holds: what passes from the host, and what the host's configuration changes in it.

The environment of a host may hold secrets that are not the agents' business, and variables that are about the host
alone. So variables pass by an allow-list (`INHERITED`, with what each provider's agent reads besides), which a host
replaces by names of its own, or by `"all"`. Variables by which git is told where a repository is never pass: an agent's
git would work on the host's repository. A host that needs one of those gives it in `env`.
Source: `git rev-parse --local-env-vars`; https://pyinstaller.org/en/stable/runtime-information.html
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final, Literal, TypeAlias

__all__ = ["INHERITED", "Environment", "Inherited", "agent_environment", "checked_environment", "checked_names"]

Environment: TypeAlias = Mapping[str, str | None]
"""Variables to set; None removes one."""

Inherited: TypeAlias = Sequence[str] | Literal["all"]
"""Names of variables that pass from the host, `*` and `?` as in file names; `all` for every one."""

INHERITED: Final[tuple[str, ...]] = (
    # the user, the session, the machine
    *("HOME", "USER", "LOGNAME", "USERNAME", "SHELL", "HOSTNAME", "PATH", "PWD", "TMPDIR", "TEMP", "TMP", "TZ"),
    *("LANG", "LANGUAGE", "LC_*", "TERM", "COLORTERM", "NO_COLOR", "FORCE_COLOR", "EDITOR", "VISUAL", "PAGER"),
    *(
        "DISPLAY",
        "WAYLAND_DISPLAY",
        "XAUTHORITY",
        "XDG_*",
        "DBUS_SESSION_BUS_ADDRESS",
        "SSH_AUTH_SOCK",
        "SSH_AGENT_PID",
    ),
    *("SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "APPDATA", "LOCALAPPDATA", "PROGRAMDATA"),
    *("PROGRAMFILES", "USERPROFILE", "HOMEDRIVE", "HOMEPATH", "NUMBER_OF_PROCESSORS", "PROCESSOR_ARCHITECTURE"),
    *("WSL_DISTRO_NAME", "WSL_INTEROP", "WSLENV", "CI", "IS_SANDBOX", "DOCKER_HOST", "DOCKER_CONFIG", "CONTAINER_HOST"),
    # by which the tests of a host find what they started
    *("ORCHESTRION_*", "PYTEST_CURRENT_TEST"),
    # the network
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"),
    # git: who commits and how it connects; where its repository is never passes
    *("GIT_AUTHOR_*", "GIT_COMMITTER_*", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM"),
    *("GIT_CONFIG_COUNT", "GIT_CONFIG_KEY_*", "GIT_CONFIG_VALUE_*", "GIT_CONFIG_PARAMETERS", "GIT_EXEC_PATH"),
    *("GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSH_VARIANT", "GIT_SSL_*", "GIT_PROXY_COMMAND", "GIT_EDITOR", "GIT_PAGER"),
    *("GIT_TERMINAL_PROMPT", "GIT_TEMPLATE_DIR"),
    # compilers, interpreters and package managers
    *("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH", "LIBRARY_PATH", "CPATH", "PKG_CONFIG_PATH"),
    *("CC", "CXX", "CFLAGS", "CXXFLAGS", "LDFLAGS", "MAKEFLAGS", "CMAKE_*", "SDKROOT", "DEVELOPER_DIR", "MANPATH"),
    *("VIRTUAL_ENV", "CONDA_*", "MAMBA_*", "PYENV_*", "UV_CACHE_DIR", "UV_PYTHON*", "PIP_CACHE_DIR", "PIP_CONFIG_FILE"),
    *("PYTHONPATH", "PYTHONUTF8", "PYTHONIOENCODING", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "PYTHONWARNINGS"),
    *(
        "NODE_OPTIONS",
        "NODE_PATH",
        "NVM_*",
        "FNM_*",
        "VOLTA_HOME",
        "PNPM_HOME",
        "BUN_INSTALL",
        "DENO_DIR",
        "DENO_INSTALL",
    ),
    *("COREPACK_HOME", "JAVA_HOME", "JDK_HOME", "GRADLE_HOME", "GRADLE_USER_HOME", "MAVEN_HOME", "M2_HOME", "SDKMAN_*"),
    *("ANDROID_HOME", "ANDROID_SDK_ROOT", "GOPATH", "GOROOT", "GOBIN", "GOCACHE", "GOMODCACHE", "GOFLAGS", "GOPROXY"),
    *("CARGO_HOME", "CARGO_TARGET_DIR", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "RUSTFLAGS", "GEM_HOME", "GEM_PATH"),
    *("RBENV_*", "BUNDLE_PATH", "DOTNET_ROOT", "NUGET_PACKAGES", "HOMEBREW_*", "NIX_*", "ASDF_*", "MISE_*"),
)
"""What passes by default, beside what a provider's own agent reads."""

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

_HOST_ALONE: Final = ("ORCHESTRION_GUARDIAN", "ORCHESTRION_SHARED")
"""Marks of another agent, where a host itself runs below one."""

_OF_A_BUNDLE: Final = ("_MEIPASS*", "_PYI_*", "PYTHONHOME", "PYTHONPATH", "PYTHONEXECUTABLE", "__PYVENV_LAUNCHER__")
"""What the start of a frozen application sets for itself alone."""

_LIBRARY_PATHS: Final = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LIBPATH")


def agent_environment(
    host: Mapping[str, str], *, inherit: Inherited, own: Sequence[str] = (), env: Environment | None = None
) -> dict[str, str]:
    """The environment of an agent whose own variables are `own`, from the environment of its host.

    What `inherit` names passes, but for what makes git see another repository and what is about the host's own program;
    then `env` is laid over it.
    """
    passed = {name: value for name, value in _as_before_freezing(host).items() if _passes(name, inherit, own)}
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


def _passes(name: str, inherit: Inherited, own: Sequence[str]) -> bool:
    if name in _GIT_VIEW or name in _HOST_ALONE:
        return False
    return inherit == "all" or any(fnmatchcase(name, pattern) for pattern in (*inherit, *own))


def _as_before_freezing(host: Mapping[str, str]) -> dict[str, str]:
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
