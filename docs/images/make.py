"""Draws the README's picture: two acts of the real demo, as the terminal shows them. `python docs/images/make.py`."""

from __future__ import annotations

import asyncio
import io
import re
from pathlib import Path

from rich.console import Console

from fleetfold_demo.demo_fleet import DemoFleet
from fleetfold_demo.tour import ACTS


async def main() -> None:
    console = Console(record=True, width=118, file=io.StringIO(), force_terminal=True)
    async with DemoFleet(console) as demo:
        for act in ACTS[:5]:
            console.export_text(clear=True)  # the last of them is the picture
            await act(demo)
    drawn = console.export_svg(title="make demo, the fifth act")
    picture = re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL)  # nothing is fetched to show it
    Path(__file__).with_name("demo.svg").write_text(picture)


asyncio.run(main())
