"""The worked changes on the page of the architecture start from the code as it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from support.pages import ROOT, blocks

ARCHITECTURE = ROOT / "docs" / "explanation" / "architecture.md"


class Change(NamedTuple):
    """One file of a worked change: its path, whether it is new, and the lines that are there already."""

    path: str
    is_new: bool
    present: list[str]


def changes(diff: str) -> Iterator[Change]:
    """The files of a diff block: after `--- path` an existing one, after `+++ path` a new one."""
    change: Change | None = None
    for line in diff.splitlines():
        if line.startswith(("--- ", "+++ ")):
            if change is not None:
                yield change
            change = None if line == "--- /dev/null" else Change(line[4:], line.startswith("+++ "), [])
        elif line.startswith(" ") and change is not None:
            change.present.append(line[1:])
    if change is not None:
        yield change


CHANGES = [change for block in blocks(ARCHITECTURE) if block.language == "diff" for change in changes(block.text)]


def test_every_worked_change_has_its_lines() -> None:
    headings = [
        line for line in ARCHITECTURE.read_text(encoding="utf-8").splitlines() if line.startswith("### One more ")
    ]
    assert sum(block.language == "diff" for block in blocks(ARCHITECTURE)) == len(headings)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.path)
def test_a_worked_change_names_files_and_lines_that_are_there(change: Change) -> None:
    file = ROOT / change.path
    assert file.parent.is_dir()
    assert file.is_file() != change.is_new
    lines = [] if change.is_new else file.read_text(encoding="utf-8").splitlines()
    assert [line for line in change.present if line not in lines] == []
