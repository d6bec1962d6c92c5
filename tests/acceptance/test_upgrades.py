"""Versions beside each other: a fleet is upgraded one process after the other, and goes on; a downgrade is refused.

The version before is the wheel of the last landed revision. Those to come are this checkout under another number.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from fleetfold.client import Client
from fleetfold_master import store
from fleetfold_shared.errors import Unavailable
from fleetfold_shared.messages import Rollback, StepSpec
from support.fleet import Fleet, running_fleet, write_jsonl
from support.versions import Version, landed_version, later_version
from support.wait import eventually

pytestmark = pytest.mark.timeout(600)  # fleets are started again and again

NODES = ("shop", "blog")
MASTERS = ("master", "second")
ADDING = """
from alembic import op
from sqlalchemy import Column, String

revision, down_revision, branch_labels, depends_on, phase = "r9001", "{head}", None, None, "expand"


def upgrade():
    op.add_column("job", Column("added_later", String(16), nullable=False, server_default=""))
    op.create_table("added_table", Column("id", String(16), primary_key=True))
"""
REMOVING = """
from alembic import op

revision, down_revision, branch_labels, depends_on, phase = "r9001", "{head}", None, None, "contract"


def upgrade():
    op.drop_column("audit", "ms")
"""


@pytest.fixture(scope="module")
def landed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Version:
    """The last landed version."""
    assert request.config.cache is not None
    return landed_version(request.config.cache.mkdir("wheels"), tmp_path_factory.mktemp("landed"))


@pytest.fixture(scope="module")
def next_patch(tmp_path_factory: pytest.TempPathFactory) -> Version:
    """The next version of this series, whose migration adds a column and a table."""
    return later_version(tmp_path_factory.mktemp("next"), "0.2.99", _migration(ADDING))


@pytest.fixture(scope="module")
def next_series(tmp_path_factory: pytest.TempPathFactory) -> Version:
    """The next series, whose migration removes a column."""
    return later_version(tmp_path_factory.mktemp("later"), "0.3.0", _migration(REMOVING))


@pytest.fixture
async def empty(nats_server: str, tmp_path: Path) -> AsyncIterator[Fleet]:
    async with running_fleet(tmp_path) as fleet:
        yield fleet


async def test_a_fleet_is_upgraded_process_by_process_and_work_goes_on(empty: Fleet, landed: Version) -> None:
    await empty.install(landed, "broker", *MASTERS, *NODES)
    await _start(empty, *MASTERS)
    async with await empty.client() as client:
        works = [await _work(client, "before")]
        for name in (*reversed(MASTERS), *NODES):
            under_way = asyncio.create_task(_order(client, f"during-{name}", seconds=1.0))
            await eventually(lambda: bool(empty.effects("shop")))
            await empty.install(_this(), name)
            assert await under_way == "committed"
            works.append(await _work(client, f"after-{name}"))
        assert works == [WORKED] * 5
        assert {node.state for node in await client.nodes.list()} == {"active"}
    _check_books(empty)


async def test_masters_of_neighbouring_versions_share_a_database(empty: Fleet, next_patch: Version) -> None:
    await empty.install(next_patch, "second")
    await _start(empty, *MASTERS)
    async with await empty.client() as client:
        assert [await _work(client, f"both-{n}") for n in range(4)] == [WORKED] * 4
        under_way = asyncio.create_task(_order(client, "killed", seconds=1.0))
        await empty.kill("master")
        await empty.restart("master")  # this version, on the schema that the next one has expanded
        assert await under_way == "committed"
        await empty.stop("second")
        assert await _work(client, "older") == WORKED

        async def one_is_left() -> bool:
            return len(await client.masters.list()) == 1

        await eventually(one_is_left)  # the other's row goes at the next heartbeat
    _check_books(empty)


@pytest.mark.long
async def test_a_later_series_waits_for_the_masters_of_before_and_there_is_no_way_back(
    empty: Fleet, next_series: Version
) -> None:
    await _start(empty, "master")
    await empty.install(next_series, "second")
    with pytest.raises(Unavailable, match=r"stop all masters of the earlier version"):
        await empty.start_second_master()
    await empty.stop("master")
    await empty.start_second_master()
    await empty.install(next_series, "shop")
    with pytest.raises(Unavailable, match=r"data: .*/shop was used by fleetfold 0.3.0.*restore a backup"):
        await empty.install(_this(), "shop")
    await empty.stop("second")
    with pytest.raises(Unavailable, match=r"the database is of a newer fleetfold 0.3.0 .*upgrade fleetfold"):
        await empty.restart("master")


WORKED = ("ok", "ok", "committed", "rolled_back", {"shop-1", "blog-1"}, False)


async def _start(fleet: Fleet, *masters: str) -> None:
    await fleet.start_core()
    if "second" in masters:
        await fleet.start_second_master()
    for name in NODES:
        source = write_jsonl(fleet.place / f"{name}.jsonl", [{"id": f"{name}-1", "text": "a tent for a gale"}])
        await fleet.start_child(name, "--collection", f"things={source}")


async def _work(client: Client, name: str) -> tuple[object, ...]:
    """Something of everything: a job on each node, a transaction that ends well and one that does not, a search."""
    jobs = [await client.run("enter", {"tx": f"{name}-{node}"}, nodes=[node], timeout_s=30.0) for node in NODES]
    found = await client.search("tent", nodes="all", timeout_s=30.0)
    return (
        *(job.state for job in jobs), await _order(client, name), await _order(client, f"{name}-no", mood="refuse"),
        {hit.id for hit in found.hits}, found.partial,
    )  # fmt: skip


async def _order(client: Client, tx: str, *, seconds: float = 0.0, mood: str = "calm") -> str:
    """A transaction over all nodes, the last of which is in that mood; how it ended."""
    steps = [_step(tx, stage, {"seconds": seconds, "mood": mood if stage else "calm"}) for stage in range(len(NODES))]
    await client.transact(steps, id=tx, detach=True)
    return (await client.transactions.wait(tx, 60)).state


def _step(tx: str, stage: int, more: dict[str, object]) -> StepSpec:
    params = {"tx": tx, "step": NODES[stage], "stage": stage, **more}
    rollback = Rollback("strike", {"entry": "{{entry}}"})
    return StepSpec(name=NODES[stage], node=NODES[stage], action="enter", stage=stage, params=params, rollback=rollback)


def _check_books(fleet: Fleet) -> None:
    """Each effect stands once, and what was rolled back was undone once."""
    effects = [effect for node in NODES for effect in fleet.effects(node)]
    keys = [(effect["key"], effect["what"]) for effect in effects]
    assert len(keys) == len(set(keys))
    undone = {effect["tx"] for effect in effects if effect["what"] == "undo"}
    assert undone == {effect["tx"] for effect in effects if effect["tx"].endswith("-no")}


def _this() -> Version:
    return Version(sys.executable, Path(__file__).parents[1])


def _migration(text: str) -> dict[str, str]:
    config = Config()
    config.set_main_option("script_location", str(Path(store.__file__).parent / "migrations"))
    return {"r9001_later.py": text.format(head=ScriptDirectory.from_config(config).get_current_head())}
