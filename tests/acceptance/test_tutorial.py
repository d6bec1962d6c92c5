"""The tutorial: whoever types what it says sees what it shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.fleet import running_fleet
from support.pages import ROOT
from support.walkthrough import Walkthrough


@pytest.mark.timeout(180)
async def test_the_tutorial_does_what_it_says(
    nats_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with running_fleet(tmp_path / "state"):
        (tmp_path / "state").mkdir()
        walkthrough = Walkthrough(tmp_path / "state")
        try:
            await walkthrough.follow(ROOT / "docs" / "tutorials" / "first-fleet.md")
        finally:
            await walkthrough.close()
