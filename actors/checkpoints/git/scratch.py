"""A scratch repository: how git works on a workspace while the user's repository stays as it is.

Each use makes a git directory of its own below the user's (`GIT_DIR/orchestrion/capture-*`) and removes it
afterwards. It borrows the work tree and reads the object store, and owns everything else: its index, its configuration,
the objects that it writes until `keep_objects` moves them over (a capture that is given up leaves none), and its
`info/attributes`, which outranks every `.gitattributes` and turns conversions off, so that blobs hold the bytes
of the files and files get the bytes of the blobs, whatever `text`, `filter`, `ident` or `working-tree-encoding` say.
Uses share no lock, so any number of them run at once, in one host or several.

The index of the last capture is kept (`GIT_DIR/orchestrion/index-*`) and seeds the next one: only files whose stat
changed are read again. It is replaced whole.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import quote

import attrs

from ....persistence.threads import in_thread
from ...shields import shield
from .exclude_rules import USERS_RULES, ExcludeRules, find_user_rules, read_rules
from .file_system import file_system_settings
from .git import CaptureFailed, Git
from .regular_files import open_regular_file

_RAW_BYTES: Final = "* -text -eol -ident -filter !working-tree-encoding\n"

_SETTINGS: Final = (
    "core.autocrlf=false",
    "core.checkStat=default",
    "core.ignoreStat=false",
    "core.safecrlf=false",
    "core.sparseCheckout=false",
    "core.splitIndex=false",
    "core.trustctime=true",
)

_COPIED_SETTINGS: Final = r"^core\.(bigfilethreshold|sharedrepository)$"
"""Settings for how objects are written. The file system is examined: `file_system.py`."""

_LEFTOVER_AGE: Final = 24 * 60 * 60.0
"""Seconds after which what a killed host left is removed."""


@attrs.frozen(kw_only=True)
class CaptureLimits:
    """What a capture takes in. Sizes are bytes."""

    file_bytes: int = 100 * 1024 * 1024
    """A file that is larger is noted with its size, its content is not kept."""
    shadow_files: int = 100_000
    """How many files a workspace without a repository may have, where nothing says what is generated."""
    shadow_bytes: int = 2 * 1024 * 1024 * 1024
    """How much of a workspace without a repository is kept."""


@attrs.frozen(kw_only=True)
class Layout:
    """Where a workspace and its repository are. `prefix` is the workspace below `top`, empty or ending in `/`."""

    top: Path
    prefix: str
    git_dir: Path
    common_dir: Path
    object_format: str
    database: Path | None = None
    """The runtime's database. Its files are never captured, never restored: `own_files.py` knows them."""
    own_paths: tuple[bytes, ...] = ()
    """Where they would be below `top` by their names: what no listing needs to name."""
    limits: CaptureLimits = CaptureLimits()
    is_shadow: bool = False

    @property
    def place(self) -> str:
        """What tells this workspace from the others of its repository, wherever that is moved: work tree and prefix."""
        work_tree = os.path.relpath(self.git_dir, self.common_dir)
        return f"{quote(os.fsencode(work_tree))}:{quote(os.fsencode(self.prefix))}"

    @property
    def exclusions(self) -> tuple[str, ...]:
        """Options of `git ls-files` that leave out what is the runtime's own."""
        return tuple(f"--exclude=/{_escaped(os.fsdecode(own))}" for own in self.own_paths)

    @property
    def pathspec(self) -> tuple[str, ...]:
        return ("--", self.prefix.rstrip("/")) if self.prefix else ()

    @property
    def workspace(self) -> Path:
        return self.top / self.prefix

    @property
    def home(self) -> Path:
        return self.git_dir / "orchestrion"

    @property
    def warm_index(self) -> Path:
        return self.home / f"index-{hashlib.sha256(os.fsencode(self.prefix)).hexdigest()[:16]}"


def _escaped(path: str) -> str:
    """`path` as a pattern of git's that matches itself alone."""
    return "".join(f"\\{character}" if character in "\\*?[ " else character for character in path)


@asynccontextmanager
async def scratch_repository(git: Git, layout: Layout, *, warm: bool) -> AsyncIterator[tuple[Git, Path]]:
    """A git that works on the workspace through a repository of its own, and that repository's directory.

    Raises:
        CaptureFailed: the repository could not be made.
    """
    copied = await git.run("config", "-z", "--get-regexp", _COPIED_SETTINGS, codes=(0, 1))
    settings = [entry.decode("utf-8", "surrogateescape") for entry in copied.output.split(b"\0") if entry]
    user = await find_user_rules(git)
    try:
        found = await in_thread(file_system_settings, layout.workspace)
        directory = await in_thread(partial(_make, layout, user, warm=warm))
    except OSError as fault:
        raise CaptureFailed("capture", layout.home, str(fault)) from fault
    try:
        variables = {
            "GIT_DIR": str(directory),
            "GIT_WORK_TREE": str(layout.top),
            "GIT_OBJECT_DIRECTORY": str(directory / "objects"),
        }
        yield (
            Git(
                program=git.program,
                directory=layout.top,
                variables=variables,
                settings=(
                    *(setting.replace("\n", "=", 1) for setting in settings),
                    *_SETTINGS,
                    *found,
                    f"core.excludesFile={directory / USERS_RULES}",
                ),
            ),
            directory,
        )
    finally:
        with shield():
            await in_thread(partial(shutil.rmtree, directory, ignore_errors=True))


def _make(layout: Layout, user: Path | None, *, warm: bool) -> Path:
    layout.home.mkdir(exist_ok=True)
    remove_leftovers(layout.home, "capture-*")
    directory = Path(tempfile.mkdtemp(prefix="capture-", dir=layout.home))
    (directory / "refs").mkdir()
    (directory / "info").mkdir()
    (directory / "objects" / "info").mkdir(parents=True)
    (directory / "objects" / "info" / "alternates").write_bytes(_quoted(layout.common_dir / "objects") + b"\n")
    (directory / "HEAD").write_text("ref: refs/heads/none\n")
    (directory / "config").write_text(
        "[core]\n\trepositoryformatversion = 1\n\tbare = false\n"
        f"[extensions]\n\tobjectFormat = {layout.object_format}\n"
    )
    (directory / "info" / "attributes").write_text(_RAW_BYTES)
    excluding = layout.top / ".git" if layout.is_shadow else layout.common_dir
    rules = read_rules(info=excluding / "info" / "exclude", user=user, top=layout.top, prefix=layout.prefix)
    lay_out_rules(rules, directory)
    if warm:
        with suppress(FileNotFoundError):
            _copy_index(layout.warm_index, directory / "index")
    return directory


def lay_out_rules(rules: ExcludeRules, directory: Path) -> None:
    """Let these rules say what the scratch repository in `directory` ignores, but for those above the workspace."""
    (directory / "info" / "exclude").write_bytes(rules.info)
    (directory / USERS_RULES).write_bytes(rules.user)


def rules_of(directory: Path, layout: Layout) -> ExcludeRules:
    """The rules that the scratch repository in `directory` was made with."""
    info, user = directory / "info" / "exclude", directory / USERS_RULES
    return read_rules(info=info, user=user, top=layout.top, prefix=layout.prefix)


def _copy_index(source: Path, target: Path) -> None:
    """Copies the file with its time, by which git distinguishes a stat that it can trust from a racy one."""
    with open_regular_file(source) as kept:
        target.write_bytes(kept.read())
        stat = os.fstat(kept.fileno())
    os.utime(target, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def _quoted(path: Path) -> bytes:
    """A path as git reads it in a file of alternates: quoted as in C, whatever bytes it has."""
    return b'"' + b"".join(b"\\%03o" % byte for byte in os.fsencode(path)) + b'"'


def keep_objects(directory: Path, layout: Layout) -> None:
    """Move the objects that were written in this scratch repository into the object store, packs before their indexes.

    Raises:
        CaptureFailed: one could not be moved.
    """
    source, store = directory / "objects", layout.common_dir / "objects"
    try:
        for place in sorted(source.iterdir()):
            if place.name == "info" or not place.is_dir():
                continue
            target = store / place.name
            if not target.is_dir():
                target.mkdir(exist_ok=True)
                shutil.copymode(store, target)
            for written in sorted(place.iterdir(), key=lambda one: (one.suffix == ".idx", one.name)):
                if not written.name.startswith("tmp_") and not (target / written.name).exists():
                    _move(written, target / written.name)
    except OSError as fault:
        raise CaptureFailed("capture", layout.home, str(fault)) from fault


def _move(source: Path, target: Path) -> None:
    try:
        source.rename(target)
    except OSError as fault:
        if fault.errno != errno.EXDEV:
            raise
        aside = target.with_name(f"tmp_obj_{os.getpid()}_{target.name}")
        try:
            shutil.copy2(source, aside)
            with aside.open("rb") as copied:
                os.fsync(copied.fileno())
            aside.rename(target)
        finally:
            aside.unlink(missing_ok=True)


def keep_index(directory: Path, layout: Layout) -> None:
    """Let the index of this scratch repository seed the next one."""
    with suppress(OSError):
        (directory / "index").replace(layout.warm_index)


def remove_leftovers(home: Path, pattern: str) -> None:
    """Remove what a killed host left unfinished below `home`, once it is a day old. Blocks."""
    oldest = time.time() - _LEFTOVER_AGE
    for leftover in home.glob(pattern):
        with suppress(OSError):
            if leftover.stat().st_mtime < oldest:
                shutil.rmtree(leftover)
