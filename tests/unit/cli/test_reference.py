"""The reference pages in docs/ say what the code does."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetfold.cli.reference import pages

FOLDER = Path(__file__).parents[3] / "docs" / "reference"


@pytest.mark.parametrize(("name", "text"), pages().items())
def test_a_page_is_up_to_date(name: str, text: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == text, "write it again, as fleetfold.cli.reference says"
