"""Draws the README's picture: two acts of the real demo, as the terminal shows them. `python docs/images/make.py`."""

from __future__ import annotations

import asyncio
import io
import re
from pathlib import Path

from fleetfold.demo import tour
from fleetfold.demo.stage import Stage
from rich.console import Console


async def main() -> None:
    console = Console(record=True, width=118, file=io.StringIO(), force_terminal=True)
    async with Stage(console) as stage:
        await tour._fleet(stage)
        await tour._search(stage)
        await tour._action(stage)
        await tour._commit(stage)
        console.export_text(clear=True)
        await tour._roll_back(stage)
    drawn = console.export_svg(title="make demo, the fifth act")
    picture = re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL)  # nothing is fetched to show it
    Path(__file__).with_name("demo.svg").write_text(picture)


asyncio.run(main())
