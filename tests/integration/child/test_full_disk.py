"""A disk that is full, under a child: one line with the path, and never a word of LanceDB's."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fleetfold_child.disk_errors import disk_error
from fleetfold_child.index import Collection
from fleetfold_child.ledger.file_identity import NodeFile
from fleetfold_child.ledger.node_database import open_writer
from fleetfold_shared.errors import Unavailable
from support.small_disk import fill_disk, mounted_disk

PLACE_BYTES = 256 * 1024
LIMITED = """
import asyncio, pathlib, resource, sys
from fleetfold_child.index import Collection
from fleetfold_child.index.lancedb_import import lancedb
from fleetfold_shared.errors import FleetfoldError
import numpy

class Embedder:
    name, dimensions = "ones", 8
    def embed(self, texts):
        return numpy.ones((len(texts), 8), dtype=numpy.float32)

async def fill():
    async with await Collection.open("docs", pathlib.Path(sys.argv[1]), embedder=Embedder()) as docs:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        await docs.index({"id": str(n), "content": f"tent {n} " * 200} for n in range(100))

try:
    asyncio.run(fill())
except FleetfoldError as error:
    print(type(error).__name__, error.message)
"""


class Ones:
    """An embedder that costs nothing."""

    name, dimensions = "ones", 8

    def embed(self, texts: list[str]) -> NDArray[np.float32]:
        return np.ones((len(texts), self.dimensions), dtype=np.float32)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for hardly anything."""
    with mounted_disk(tmp_path / "disk", PLACE_BYTES) as place:
        yield place


def check(said: str, place: Path) -> None:
    assert said == f"{place}: no space left on device; make room on the disk"


async def test_at_the_start_it_is_named(small_disk: Path) -> None:
    (small_disk / "shop").mkdir()
    fill_disk(small_disk)
    with pytest.raises((Unavailable, OSError)) as refused:
        await Collection.open("docs", small_disk / "shop", embedder=Ones())
    assert str(small_disk / "shop" / "lance") in str(refused.value)
    assert ".rs" not in str(refused.value)


async def test_while_documents_are_written_it_is_named_and_the_others_stay(small_disk: Path) -> None:
    async with await Collection.open("docs", small_disk, embedder=Ones()) as docs:
        await docs.index([{"id": "kept", "content": "a tent"}])
        fill_disk(small_disk)
        with pytest.raises(Unavailable) as refused:
            await docs.index([{"id": "lost", "content": "a stove"}])
        check(refused.value.message, small_disk / "lance")
        assert await docs.get("kept") is not None
        assert await docs.get("lost") is None
        (small_disk / "filler").unlink()
        await docs.index([{"id": "lost", "content": "a stove"}])
        assert await docs.get("lost") is not None


async def test_the_nodes_database_names_its_path(small_disk: Path) -> None:
    fill_disk(small_disk)
    writer = open_writer(NodeFile(small_disk / "node.db"))
    with pytest.raises(Unavailable) as refused:
        await writer.run(lambda connection: connection.execute("CREATE TABLE t (x)"))
    await writer.close()
    check(refused.value.message, small_disk / "node.db")


def test_a_limit_of_file_sizes_is_named_too(tmp_path: Path) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}  # it writes files too
    command = [sys.executable, "-c", LIMITED, str(tmp_path)]
    ended = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert ended.stdout == (
        f"Unavailable {tmp_path / 'lance'}: file too large; raise the limit of file sizes (`ulimit -f`)\n"
    )
    assert "Traceback" not in ended.stderr


def test_an_error_of_another_kind_is_not_the_disks(tmp_path: Path) -> None:
    assert disk_error(RuntimeError("lance error: commit conflict"), tmp_path) is None
