"""The settings with which a provider starts its agents: environment, interpreter, program, deadlines."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs

from ....contracts.errors import ProviderUnavailable
from ..adapter import SessionRequest
from ..session_config import NO_CONFIG, SessionConfig, merged, read_texts, secrets_of
from .environment import (
    INHERITED,
    Environment,
    Inherited,
    agent_environment,
    check_environment,
    check_names,
)

__all__ = ["Launch", "make_launch", "program_path"]


@attrs.frozen(kw_only=True)
class Launch:
    """The settings for every agent that a provider starts.

    `own_env` names variables that this provider's agents read, besides those that `inherit_env` names. `python` is the
    interpreter that runs the guardian, None to search for one. `install` is the command that installs the program, for
    the error if it is missing. `shared_programs` are the command lines, with `*` and `?`, of processes that are not
    ended with the agent that started them. `config` is what the host gives every session of the provider; for a
    session also what it gives the thread. `secrets` are texts of it that no error may show.
    """

    env: Environment = attrs.field(factory=dict)
    inherit_env: Inherited = INHERITED
    own_env: tuple[str, ...] = ()
    python: str | None = None
    install: str | None = None
    shared_programs: tuple[str, ...] = ()
    start_deadline_seconds: float = 30.0
    end_grace_seconds: float = 2.0
    config: SessionConfig = NO_CONFIG
    secrets: tuple[str, ...] = attrs.field(default=(), repr=False)

    async def for_session(self, request: SessionRequest) -> Launch:
        """The settings for the agent of one session. The texts of `config` are read, and `secrets` are among them.

        Raises:
            ProviderUnavailable: a text of the config cannot be read, or a directory is missing.
        """
        given = merged(self.config, request.config)
        config = await read_texts(given)
        return attrs.evolve(
            self, python=request.python or self.python, config=config, secrets=secrets_of(given, config)
        )

    def environment(self) -> dict[str, str]:
        """The environment of an agent that is started now."""
        given = {name: text for name, text in self.config.env.items() if text is None or isinstance(text, str)}
        return agent_environment(
            os.environ,
            inherit=self.inherit_env,
            own=(*self.own_env, *self.config.inherit_env),
            env={**self.env, **given},
        )


def make_launch(
    *,
    env: Environment | None,
    inherit_env: Inherited | None,
    shared_programs: Sequence[str],
    start_deadline_seconds: float,
    end_grace_seconds: float,
    own_env: Sequence[str] = (),
    install: str | None = None,
    config: SessionConfig = NO_CONFIG,
) -> Launch:
    """A `Launch` of a provider's arguments. Without `inherit_env`, `INHERITED` and `own_env` pass.

    Raises:
        ValueError: a name or a value is not possible in an environment, or a string was given for a sequence.
    """
    if isinstance(shared_programs, str):
        raise ValueError(f"shared_programs is a sequence of command lines: {shared_programs!r}")
    return Launch(
        env=check_environment(env),
        inherit_env=INHERITED if inherit_env is None else check_names(inherit_env),
        own_env=tuple(own_env) if inherit_env is None else (),
        install=install,
        shared_programs=tuple(shared_programs),
        start_deadline_seconds=start_deadline_seconds,
        end_grace_seconds=end_grace_seconds,
        config=config,
    )


def program_path(name: str, env: Mapping[str, str], *, install: str | None = None) -> str:
    """The absolute path of a program, searched in the agent's own PATH. `install` is the command that installs it.

    Raises:
        ProviderUnavailable: the program was not found, or is not an executable file.
    """
    found = shutil.which(name, path=env.get("PATH", os.defpath))
    if found is not None:
        return os.path.abspath(found)
    if os.path.dirname(name):
        places = [Path(name)]
    else:
        places = [Path(directory, name) for directory in env.get("PATH", os.defpath).split(os.pathsep) if directory]
    for place in places:
        if place.is_dir() and os.path.dirname(name):
            raise ProviderUnavailable(f"the program {name!r} is a directory: give the path of the program in it")
        if place.is_file():
            raise ProviderUnavailable(
                f"the program {name!r} is found as {str(place)!r}, which may not be executed: chmod +x it, or name"
                " its interpreter in the command"
            )
        if place.is_symlink():
            raise ProviderUnavailable(f"the program {name!r} is a symbolic link to a file that does not exist: {place}")
    way = "install it" if install is None else f"install it with `{install}`"
    raise ProviderUnavailable(f"the program {name!r} was not found: {way}, or give its whole path in the command")
