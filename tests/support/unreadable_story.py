"""The workspace of a user who may not read or write all of it. Prints what captures and restores do."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import anyio

from orchestrion.actors.checkpoints.git import Capture, RestoreRefused, safety_ref
from tests.support.git import Repository
from tests.support.workspaces import THREAD, captured, opened


def _skipped(capture: Capture) -> dict[str, str]:
    return {path.decode(): reason for path, reason in capture.skipped.reasons.items()}


async def _restored(top: Path, target: Capture, name: str) -> dict[str, Any]:
    try:
        kept, done = await (await opened(top)).restore(target, lambda n: safety_ref(THREAD, name, n), "before")
    except RestoreRefused as refused:
        return {"refused": refused.fault}
    return {"leftAlone": done.left_alone, "skipped": _skipped(kept)}


async def main(directory: Path) -> dict[str, Any]:
    repository = Repository.init(directory / "work")
    top, printed = repository.top, dict[str, Any]()
    volume, key = repository.write("volume/base", "precious\n").parent, repository.write("key", "key\n")
    repository.write("closed/inner/file", "one\n")
    repository.write("a", "one\n")

    volume.chmod(0)
    key.chmod(0)
    first = await captured(top, 1)
    printed["first"] = {"skipped": _skipped(first), "tree": sorted(map(bytes.decode, repository.contents(first.tree)))}

    volume.chmod(0o755)
    key.chmod(0o644)
    repository.write("a", "two\n")
    repository.write("volume/later", "later\n")
    second = await captured(top, 2)
    diff = await (await opened(top)).diff(first, second)
    printed["second"] = {"skipped": _skipped(second), "changed": [file.path for file in diff.files]}
    printed["back to the first"] = await _restored(top, first, "one")
    printed["after it"] = {name: (top / name).read_text() for name in ("a", "key", "volume/base", "volume/later")}

    volume.chmod(0)
    printed["forth to the second"] = await _restored(top, second, "two")
    volume.chmod(0o755)

    inner = top / "closed" / "inner"
    (inner / "file").write_text("two\n")
    repository.write("a", "three\n")
    inner.chmod(0o555)
    printed["may not write"] = await _restored(top, second, "three")
    printed["untouched"] = {name: (top / name).read_text() for name in ("a", "closed/inner/file")}
    inner.chmod(0o755)
    printed["allowed"] = await _restored(top, second, "four")
    printed["done"] = {name: (top / name).read_text() for name in ("a", "closed/inner/file")}
    return printed


if __name__ == "__main__":
    print(json.dumps(anyio.run(main, Path(sys.argv[1]))))
