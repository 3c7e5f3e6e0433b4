"""An agent on the protocol's own SDK: what an agent may ask for, and is not given."""

from __future__ import annotations

import itertools
from pathlib import Path

import anyio
import pytest

from tests.support.provider_session import session
from tests.support.sdk_case import SdkCase

pytestmark = pytest.mark.anyio


@pytest.fixture
def secret(tmp_path: Path, workspace: Path) -> Path:
    """A file outside the workspace, and a way to it through the workspace."""
    (workspace / "link").symlink_to(tmp_path)
    secret = tmp_path / "secret.txt"
    secret.write_text("not for agents")
    return secret


async def test_files_and_terminals_are_refused_wherever_they_are_and_the_turn_goes_on(
    tmp_path: Path, workspace: Path, secret: Path
) -> None:
    """They are not offered: an agent works in its workspace by its own means, under its own permissions."""
    paths = [workspace / name for name in ("inside.txt", "../secret.txt", "link/secret.txt")]
    async with session(SdkCase(tmp_path).provider, workspace) as read:
        asked = list(itertools.product(("read", "overwrite", "shell"), paths))
        for what, path in asked:
            assert (await read.turn(f"{what} {path}")).outcome == "completed"
        assert read.said() == ["this client does not offer it"] * len(asked)
    assert await anyio.Path(secret).read_text() == "not for agents"
    assert not paths[0].exists()
