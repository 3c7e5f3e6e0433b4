"""The diff between two captures is git's own, within bounds, and refs can name any thread."""

from __future__ import annotations

import pytest

from orchestrion.actors.checkpoints.git import (
    Capture,
    CaptureFailed,
    DiffLimits,
    baseline_ref,
    checkpoint_ref,
)
from orchestrion.contracts.ids import ThreadId, identifier_fault
from tests.support.git import Repository
from tests.support.workspaces import THREAD, changed, opened

pytestmark = pytest.mark.anyio


async def test_diff_equals_gits_own(repository: Repository) -> None:
    long = "".join(f"line {number}\n" for number in range(40))
    repository.write(".gitattributes", "*.py diff=python\n*.shown diff=shown\n")
    repository.git("config", "diff.shown.textconv", "rev")
    repository.write("edited.py", "def f():\n    return 1\n\n\n" + long)
    repository.write("moved.txt", long)
    repository.write("gone.txt", "a\nb\n")
    repository.write("binary", b"\0\1\2")
    repository.write("script", "run\n")
    repository.write("kind", "file\n")
    repository.write("a.shown", "abc\n")
    repository.write("latin", b"caf\xe9\n")
    repository.write("unended", "one")
    repository.commit_all()
    workspace = await opened(repository.top)
    start = await workspace.capture(baseline_ref(THREAD, 1), "start")
    repository.write("edited.py", "def f():\n    return 1\n\n\n" + long.replace("line 30\n", "line thirty\nand more\n"))
    (repository.top / "moved.txt").rename(repository.top / "neu ü\n.txt")
    repository.write("neu ü\n.txt", long + "added\n")
    (repository.top / "gone.txt").unlink()
    repository.write("binary", b"\0\1\3\4")
    (repository.top / "script").chmod(0o755)
    (repository.top / "kind").unlink()
    (repository.top / "kind").symlink_to("elsewhere")
    repository.write("a.shown", "abd\n")
    repository.write("latin", b"th\xe9\n")
    repository.write("new.txt", "x\ny\n")
    repository.write("unended", "two")
    end = await workspace.capture(checkpoint_ref(THREAD, 1), "end")
    diff = await workspace.diff(start, end)
    plain = repository.git("diff", "--no-ext-diff", "--no-textconv", start.commit, end.commit)
    assert diff.text.encode() == plain.decode("utf-8", "replace").encode()
    assert "rename to" in diff.text
    assert "Binary files" in diff.text
    assert set(diff.files) == {
        changed("edited.py", "modified", 2, 1),
        changed("neu ü\n.txt", "renamed", 1, 0),
        changed("gone.txt", "deleted", 0, 2),
        changed("binary", "modified", 0, 0),
        changed("script", "modified", 0, 0),
        changed("kind", "modified", 1, 1),
        changed("a.shown", "modified", 1, 1),
        changed("latin", "modified", 1, 1),
        changed("new.txt", "added", 2, 0),
        changed("unended", "modified", 1, 1),
    }
    assert len(diff.files) == 10


async def test_the_users_taste_in_diffs_does_not_change_ours(repository: Repository) -> None:
    repository.write("a", "1\n2\n3\n4\n5\n6\n7\n8\n9\n")
    workspace = await opened(repository.top)
    start = await workspace.capture(baseline_ref(THREAD, 1), "start")
    repository.write("a", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n")
    end = await workspace.capture(checkpoint_ref(THREAD, 1), "end")
    plain = repository.git("diff", start.commit, end.commit).decode()
    for name, text in (
        ("diff.noprefix", "true"),
        ("diff.context", "0"),
        ("diff.external", "false"),
        ("color.ui", "always"),
    ):
        repository.git("config", name, text)
    assert (await workspace.diff(start, end)).text == plain
    unchanged = await workspace.diff(end, end)
    assert (unchanged.text, unchanged.files) == ("", ())


async def test_a_diff_is_cut_at_its_bounds_with_a_marker(repository: Repository) -> None:
    workspace = await opened(repository.top)
    start = await workspace.capture(baseline_ref(THREAD, 1), "start")
    for name in "abcde":
        repository.write(name, f"{name}\n" * 5000)
    end = await workspace.capture(checkpoint_ref(THREAD, 1), "end")
    plain = repository.git("diff", start.commit, end.commit).decode()
    whole = await workspace.diff(start, end)
    assert (whole.text, whole.is_cut, whole.changed_files, len(whole.files)) == (plain, False, 5, 5)
    cut = await workspace.diff(start, end, DiffLimits(text_bytes=20_001, files=2))
    *lines, marker = cut.text.splitlines(keepends=True)
    assert marker == "# The diff is cut here: it is longer than 20001 bytes\n"
    assert plain.startswith("".join(lines))
    assert 19_900 < len("".join(lines)) <= 20_001
    assert (cut.is_cut, cut.changed_files, [file.path for file in cut.files]) == (True, 5, ["a", "b"])


async def test_a_diff_of_a_capture_that_is_gone_is_an_error(repository: Repository) -> None:
    workspace = await opened(repository.top)
    start = await workspace.capture(baseline_ref(THREAD, 1), "start")
    gone = Capture(ref=checkpoint_ref(THREAD, 9), commit="1" * 40, tree="1" * 40, message="gone", place="")
    with pytest.raises(CaptureFailed, match="1111"):
        await workspace.diff(start, gone)


@pytest.mark.parametrize(
    ("thread_id", "component"),
    [("a", "YQ"), ("thread/ü?>", "dGhyZWFkL8O8Pz4"), ("\N{GRINNING FACE}" * 200, "sha256."), ("x" * 200, "sha256.")],
)
async def test_refs_name_any_thread(repository: Repository, thread_id: str, component: str) -> None:
    refs = [make(ThreadId(thread_id), 10**18) for make in (checkpoint_ref, baseline_ref)]
    assert [ref.rsplit("/", 2)[1] for ref in refs] == ["turn", "baseline"]
    for ref in refs:
        assert ref.startswith(f"refs/orchestrion/checkpoints/{component}")
        assert identifier_fault(ref) is None
        repository.git("check-ref-format", ref)
