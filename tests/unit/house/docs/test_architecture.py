"""The page of the architecture explains every folder of every package."""

from __future__ import annotations

from support.page_names import named, package_folders
from support.pages import ROOT

ARCHITECTURE = ROOT / "docs" / "explanation" / "architecture.md"


def test_every_folder_of_a_package_is_explained() -> None:
    assert set(package_folders()) - set(named(ARCHITECTURE)) == set()
