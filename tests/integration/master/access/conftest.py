"""The doors of a master, for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.access import Doors, open_doors


@pytest.fixture
async def doors(tmp_path: Path) -> AsyncIterator[Doors]:
    """One master's doors over its own store."""
    async with open_doors(tmp_path) as opened:
        yield opened
