"""The reference pages in docs/ say what the code does."""

from __future__ import annotations

from pathlib import Path

from fleetfold_cli.reference import pages

FOLDER = Path(__file__).parents[3] / "docs" / "reference"


def test_every_page_is_up_to_date() -> None:
    for name, text in pages().items():
        assert (FOLDER / name).read_text(encoding="utf-8") == text, "write it again, as fleetfold_cli.reference says"
