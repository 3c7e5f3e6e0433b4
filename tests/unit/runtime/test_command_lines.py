"""Lines of commands are read as they come, and no line longer than a command can be is held in memory."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from orchestrion.contracts.errors import InvalidCommand
from orchestrion.runtime.cli.command_lines import CommandLines

pytestmark = pytest.mark.anyio


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)


async def read_all(descriptor: int, *, limit: int) -> list[bytes | str]:
    """Every line, and the error of a refused one."""
    lines = CommandLines(descriptor, limit=limit)
    found: list[bytes | str] = []
    while True:
        try:
            line = await lines.next_line()
        except InvalidCommand as error:
            found.append(str(error))
            continue
        if line is None:
            return found
        found.append(line)


@pytest.mark.parametrize("end", [b"", b"\n"])
async def test_a_line_over_the_limit_is_refused_and_skipped_to_its_end(pipe: tuple[int, int], end: bytes) -> None:
    reading, writing = pipe
    os.write(writing, b"1234567890\n12345678901\n" + b"x" * 5000 + b"\nshort\n" + b"y" * 11 + end)
    os.close(writing)
    refused = "$: the line has more than 10 bytes"
    assert await read_all(reading, limit=10) == [b"1234567890", refused, refused, b"short", refused]
