"""Runs the Python programs of a page as a reader would: saved to a file, started in the order of the page.

A program that ends with `.run()` is a node: it stays up until the page ends. One that has tests is run by pytest. Any
other must end by itself, with nothing on stderr. What stands in a comment behind a `print` is what it prints.
"""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

from fleetfold import Client
from support.fleet import Said, python
from support.pages import ROOT, Block, blocks

__all__ = ["Programs"]

STOP_S = 30.0
_NODE = re.compile(r"\.run\(\)$")
_PRINTS = re.compile(r"^ *print\(.*\)  # (.+)$", re.MULTILINE)


class Programs:
    """In the current folder, beside a fleet that commands find. To be closed."""

    def __init__(self, fleet: Client) -> None:
        self._fleet = fleet
        self._nodes: dict[str, tuple[asyncio.subprocess.Process, Path]] = {}

    async def follow(self, page: Path) -> int:
        """Save the files of `page` and run its programs; returns how many there were."""
        count = 0
        for block in blocks(page):
            if block.verb == "file":
                _save(Path(block.name), block)
            if block.language == "python":
                count += 1
                file = Path(block.name or f"program_{count}.py")
                _save(file, block)
                await self._run(file, block.text, f"{page.relative_to(ROOT)}, program {count}")
        return count

    async def close(self) -> None:
        """Stop the nodes that the page has started, and have the fleet forget them; none may end with an error."""
        for name, (process, log) in self._nodes.items():
            process.terminate()
            code = await asyncio.wait_for(process.wait(), STOP_S)
            assert code == 0, f"{name} ended with {code}:\n{log.read_text()}"
            await self._fleet.nodes.remove(name)

    async def _run(self, file: Path, text: str, where: str) -> None:
        if _NODE.search(text.strip()):
            await self._start(file, where)
            return
        try:
            said = await (_tested(file) if "def test_" in text else python(str(file)))
        except TimeoutError:
            raise AssertionError(f"{where} does not end") from None
        assert said.code == 0, f"{where}\n{said.out}{said.err}"
        assert not said.err, f"{where}\n{said.err}"
        for printed in _PRINTS.findall(text):
            assert printed in said.out, f"{where}: does not print {printed!r}, but\n{said.out}"

    async def _start(self, file: Path, where: str) -> None:
        """Start a node, and return when the fleet has one more that is well."""
        before = await self._well()
        log = file.with_suffix(".log")
        with log.open("wb") as out:
            process = await asyncio.create_subprocess_exec(sys.executable, str(file), stdout=out, stderr=out)
        while not (joined := await self._well() - before):
            assert process.returncode is None, f"{where} ended:\n{log.read_text()}"
            await asyncio.wait({asyncio.ensure_future(process.wait())}, timeout=0.1)
        (name,) = joined
        self._nodes[name] = process, log.absolute()

    async def _well(self) -> set[str]:
        return {node.name for node in await self._fleet.nodes.list() if node.healthy}


def _save(file: Path, block: Block) -> None:
    file.write_text(block.text, encoding="utf-8")


async def _tested(file: Path) -> Said:
    return await python("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio", str(file))
