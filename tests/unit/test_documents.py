"""Links and paths in the documents lead to files, and the index of decisions is complete."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Final, get_args

import pytest

from orchestrion import TurnItem
from tests.support.marks import ROOT

DECISIONS: Final = ROOT / "docs" / "decisions"
DOCUMENTS: Final = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
CURRENT: Final = [path for path in DOCUMENTS if path.name != "CHANGELOG.md"]
"""Documents about the code as it is now."""

_LINK = re.compile(r"\]\((?!https?:)([^)#]+)\)")
_MODULE = re.compile(r"`((?:[a-z_0-9]+/)+[a-z_0-9]+\.py)`")


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("document", DOCUMENTS, ids=_name)
def test_links_lead_to_files(document: Path) -> None:
    links = _LINK.findall(document.read_text(encoding="utf-8"))
    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", CURRENT, ids=_name)
def test_modules_that_are_named_exist(document: Path) -> None:
    named = set(_MODULE.findall(document.read_text(encoding="utf-8")))
    listed = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert [one for one in sorted(named) if not (ROOT / one).is_file() and f"/{one}\n" not in listed] == []


def test_index_of_decisions_lists_each_page_once_in_order() -> None:
    """Numbers may have gaps."""
    listed = re.findall(
        r"^\| \[(\d{4})\]\(([^)]+)\)", (DECISIONS / "README.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    pages = sorted(path.name for path in DECISIONS.glob("0*.md"))
    assert [page for _, page in listed] == pages
    assert [number for number, _ in listed] == sorted({number for number, _ in listed})
    assert [page[:4] for page in pages] == [number for number, _ in listed]


def test_page_for_hosts_lists_each_item_of_a_turn() -> None:
    listed = re.findall(r"^\| `([A-Z]\w+)` \|", (ROOT / "docs" / "hosts.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert listed == [item.__name__ for item in get_args(TurnItem)]
