"""The pages for those who work on the code name files, folders and symbols that exist."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.page_names import missing, named
from support.pages import ROOT, pages

FOLDERS = {"decisions", "explanation"}
PAGES = [page for page in pages() if page.name == "CONTRIBUTING.md" or page.parent.name in FOLDERS]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_folder_and_symbol_that_a_page_names_exists(page: Path) -> None:
    assert [name for name in named(page) if missing(name)] == []


def test_what_is_missing_is_found() -> None:
    module = "fleetfold_master/transactions/advance.py"
    assert not missing(module)
    assert not missing(f"{module}::advance")
    assert not missing("fleetfold_storage/group_commit.py::GroupCommit.run")
    assert missing(f"{module}::retreat")
    assert missing("fleetfold_storage/group_commit.py::GroupCommit.walk")
    assert missing("fleetfold_master/transactions/retreat.py")
    assert missing("fleetfold_master/transactions/advance/")
