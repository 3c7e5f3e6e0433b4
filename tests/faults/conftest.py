"""Fixtures of the tests with real storage faults."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.small_disk import SmallDisk, mounted


@pytest.fixture
def disk() -> Iterator[SmallDisk]:
    with mounted() as disk:
        yield disk
