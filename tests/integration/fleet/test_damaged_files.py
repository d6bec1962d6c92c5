"""Files that are not what they were: a line that says so and what to do, nothing lost silently, the rest at work.

Each row damages one file of a stopped fleet and starts it again. Its nodes: `alpha` with a collection without a source
(`notes`) and one with (`stock`), and `beta`, which is sound. A part that must not start is refused with `said`;
otherwise everything starts, `said` is in the log or in the collection's description, and `left` is what alpha holds.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

import pytest
from structlog.testing import capture_logs

from fleetfold.search_request import SearchOptions
from fleetfold_shared.errors import FleetfoldError
from support.inprocess import Fleet, running_fleet
from support.wait import eventually

DOCUMENTS = [{"id": f"d{number}", "text": f"tent number {number}"} for number in range(30)]
BOTH = {"notes": 30, "stock": 30}
SOURCED = {"stock": 30}
WAY_OUT = r".*`fleetfold backup restore`.*--new"


class Row(NamedTuple):
    """One damage: of which `file` (below the fleet's folder), how, and what follows."""

    file: str
    damage: Callable[[Path], None]
    refuses: Literal["alpha", "master", "broker"] | None = None
    said: str = ""
    left: dict[str, int] = BOTH


def gone(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def empty(path: Path) -> None:
    os.truncate(path, 0)


def half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def header(path: Path) -> None:
    _overwrite(path, 0, 100)


def page(path: Path) -> None:
    _overwrite(path, 4 * 4096, 4096)


def garbage(path: Path) -> None:
    path.write_bytes(b"\xde\xad" * 200)


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_file(path: Path) -> None:
    shutil.rmtree(path)
    path.write_bytes(b"x")


def without_tables(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE other (x)")


def newer_node(path: Path) -> None:
    _sql(path, "UPDATE fleetfold_schema SET version = 9999")


def newer_master(path: Path) -> None:
    _sql(path, "UPDATE alembic_version SET version_num = 'r9999'")


def of_another(path: Path) -> None:
    shutil.copy(path.parents[1] / "beta" / path.name, path)


def manifests(damage: Callable[[Path], None]) -> Callable[[Path], None]:
    return _each("_versions/*.manifest", damage)


def data_files(damage: Callable[[Path], None]) -> Callable[[Path], None]:
    return _each("data/*", damage)


def store_files(name: str, damage: Callable[[Path], None]) -> Callable[[Path], None]:
    return _each(f"**/{name}", damage)


def _each(pattern: str, damage: Callable[[Path], None]) -> Callable[[Path], None]:
    def damaged(folder: Path) -> None:
        found = [path for path in folder.glob(pattern) if path.is_file()]
        assert found
        for path in found:
            damage(path)

    damaged.__name__ = f"{damage.__name__} {pattern}"
    return damaged


def _overwrite(path: Path, at: int, size: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write((b"\xde\xad" * size)[:size])


def _sql(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(statement)
    connection.close()


NOTES, STOCK = "alpha/lance/notes.lance", "alpha/lance/stock.lance"
REFILLED = "filled again from its source"
ROWS = [
    Row("alpha/node.db", gone, "alpha", f"node.db is missing, but credentials.json.*{WAY_OUT}"),
    Row("alpha/node.db", empty, "alpha", f"node.db is empty, but credentials.json.*{WAY_OUT}"),
    Row("alpha/node.db", without_tables, "alpha", f"node.db holds no tables of fleetfold.*{WAY_OUT}"),
    Row("alpha/node.db", header, "alpha", rf"node.db is damaged \(file is not a database\).*{WAY_OUT}"),
    Row("alpha/node.db", page, "alpha", rf"node.db is damaged \(.*{WAY_OUT}"),
    Row("alpha/node.db", half, "alpha", rf"node.db is damaged \(.*{WAY_OUT}"),
    Row("alpha/node.db", newer_node, "alpha", "node.db: written by a newer fleetfold.*upgrade"),
    Row("alpha/node.db", a_folder, "alpha", r"node.db cannot be opened \(.*look at the file"),
    Row("alpha/credentials.json", half, "alpha", "credentials.json is damaged; move it away, and join again"),
    Row("alpha/credentials.json", empty, "alpha", "credentials.json is damaged; move it away, and join again"),
    Row("alpha/credentials.json", of_another, "alpha", "is of the node 'beta', not 'alpha'"),
    Row("alpha/sources.json", half),
    Row("alpha/sources.json", gone),
    Row("alpha/collections.json", garbage),
    Row(NOTES, gone, said=f"its table is missing, with 30 documents{WAY_OUT}", left=SOURCED),
    Row(NOTES, manifests(gone), said=rf"is damaged \(no version is left\){WAY_OUT}", left=SOURCED),
    Row(NOTES, manifests(half), said=rf"is damaged \(.*{WAY_OUT}", left=SOURCED),
    Row(NOTES, data_files(gone), said=rf"is damaged \(.*{WAY_OUT}", left=SOURCED),
    Row(NOTES, data_files(half), said=rf"is damaged \(.*{WAY_OUT}", left=SOURCED),
    Row(NOTES, data_files(garbage), said=rf"is damaged \(.*{WAY_OUT}", left=SOURCED),
    Row(STOCK, gone, said=REFILLED),
    Row(STOCK, manifests(gone), said=REFILLED),
    Row(STOCK, manifests(empty), said=REFILLED),
    Row(STOCK, data_files(empty), said=REFILLED),
    Row(STOCK, data_files(half), said=REFILLED),
    Row("master/master.db", gone, "master", f"master.db is missing, but .*instance_id.*{WAY_OUT}"),
    Row("master/master.db", empty, "master", f"master.db is empty, but .*instance_id.*{WAY_OUT}"),
    Row("master/master.db", without_tables, "master", f"master.db holds no tables of fleetfold.*{WAY_OUT}"),
    Row("master/master.db", header, "master", rf"master.db is damaged \(file is not a database\).*{WAY_OUT}"),
    Row("master/master.db", page, "master", rf"master.db is damaged \(.*{WAY_OUT}"),
    Row("master/master.db", half, "master", rf"master.db is damaged \(.*{WAY_OUT}"),
    Row("master/master.db", newer_master, "master", "of a newer fleetfold.*upgrade fleetfold"),
    Row("master/master.db", a_folder, "master", "master.db.*cannot|cannot open.*master.db"),
    Row("master/instance_id", half),
    Row("master/instance_id", gone),
    Row("keys/signing.json", half, "master", "signing.json: these are no signing keys"),
    Row("keys/signing.json", empty, "master", "signing.json: these are no signing keys"),
    Row("keys/broker.json", half, "broker", "broker.json: these are no keys of a fleet's broker.*restore the file"),
    Row("keys/broker.json", empty, "broker", "broker.json: these are no keys of a fleet's broker.*restore the file"),
    Row("keys/cli.json", half),
    Row("broker/jetstream", gone),
    Row("broker/jetstream", a_file, said="Can't start JetStream"),
    Row("broker/jetstream", store_files("streams/*/meta.inf", half)),
    Row("broker/jetstream", store_files("o.dat", garbage), said="topology.stream_damaged"),
    Row("broker/jetstream", store_files("msgs/*.blk", garbage)),
    Row("broker/nats-server.conf", garbage),
]  # fmt: skip


@pytest.fixture(scope="module")
def stopped(nats_server: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a stopped fleet, in which a job has ended and both collections of alpha have 30 documents."""
    place = tmp_path_factory.mktemp("stopped")

    async def fill() -> None:
        async with running_fleet(place) as fleet:
            await start(fleet, "beta")
            await start(fleet, "alpha")
            for first in range(0, 30, 10):
                some = {"collection": "notes", "documents": DOCUMENTS[first : first + 10]}
                assert (await fleet.client.run("index", some, nodes=["alpha"])).state == "ok"
            assert (await fleet.client.run("enter", {"tx": "before"}, nodes=["alpha"], id="before")).state == "ok"

    asyncio.run(fill())
    return place


@pytest.fixture
def place(stopped: Path, tmp_path: Path) -> Path:
    shutil.copytree(stopped, tmp_path / "fleet", symlinks=True)
    return tmp_path / "fleet"


async def start(fleet: Fleet, name: str) -> None:
    if name == "alpha":
        await fleet.start_child("alpha", {"notes": None, "stock": str(_source(fleet.place))})
    else:
        await fleet.start_child("beta", {"posts": lambda: DOCUMENTS})


def _source(place: Path) -> Path:
    file = place / "source.jsonl"
    if not file.exists():
        file.write_text("".join(f'{{"id":"{one["id"]}","text":"{one["text"]}"}}\n' for one in DOCUMENTS))
    return file


async def started(place: Path) -> dict[str, object]:
    """Start the whole fleet and use it: what alpha holds, and what was said."""
    with capture_logs() as said:
        async with running_fleet(place) as fleet:
            await start(fleet, "beta")
            await start(fleet, "alpha")
            client = fleet.client
            job = await client.run("enter", {"tx": "after"}, nodes=["alpha", "beta"])
            assert job.state == "ok"
            assert [step for step, _ in fleet.effects("alpha")] == ["", ""]  # that of before, and that of now
            assert (await client.jobs.get("before")).state == "ok"
            left = fleet.children["alpha"].documents
            lost = {one.name: one.damaged for one in fleet.children["alpha"].collections.values() if one.damaged}
            found = await client.search("tent", limit=100, timeout_s=60, options=SearchOptions(cache="off"))
            reports = {one.node: one for one in found.nodes}
            assert reports["beta"].status == "ok"
            assert reports["alpha"].status == ("partial" if lost else "ok")
            assert all(reason[:60] in (reports["alpha"].error or "") for reason in lost.values())
            assert {hit.collection for hit in found.hits} >= {"stock"}
    return {"left": left, "said": f"{said} {lost}"}


async def beta_works(place: Path, fleet: Fleet) -> None:
    assert (await fleet.client.run("enter", {"tx": "after"}, nodes=["beta"])).state == "ok"
    found = await fleet.client.search("tent", timeout_s=60, options=SearchOptions(cache="off"))
    assert {one.node: one.status for one in found.nodes}["beta"] == "ok"


@pytest.mark.parametrize("row", ROWS, ids=[f"{row.file}: {row.damage.__name__}" for row in ROWS])
async def test_each_is_told_and_costs_no_more_than_itself(place: Path, row: Row) -> None:
    row.damage(place / row.file)
    if row.refuses is None:
        found = await started(place)
        assert found["left"] == row.left
        assert _fits(row.said, str(found["said"]))
        return
    said = await refused(place, row.refuses)
    assert _fits(row.said, said), said
    assert "\n" not in said
    assert "Traceback" not in said


async def refused(place: Path, part: str) -> str:
    """Start the fleet, in which `part` is refused: what it says. The others work meanwhile."""
    if part != "alpha":
        with pytest.raises(FleetfoldError) as error:
            async with running_fleet(place):
                pass
        return error.value.message
    async with running_fleet(place) as fleet:
        await start(fleet, "beta")
        with pytest.raises(FleetfoldError) as error:
            await start(fleet, "alpha")
        await beta_works(place, fleet)
        await eventually(lambda: "alpha" not in fleet.children)
        return error.value.message


def _fits(pattern: str, said: str) -> bool:
    return re.search(pattern, said, re.DOTALL) is not None
