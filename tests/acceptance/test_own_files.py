"""All that a fleet writes is its owner's alone, whatever the umask it was started under."""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from support.fleet import Fleet, fleetfold, python, running_fleet, write_jsonl

pytestmark = pytest.mark.dear

PUBLIC = {"ca.pem"}
"""The certificate of the CA, to be given to all who connect."""
PROGRAM = """
import asyncio, sys
from fleetfold import Child

async def run():
    child = Child("shop").collection("products", source=sys.argv[1])
    await child.start()
    await child.stop()

asyncio.run(run())
"""


@pytest.fixture(autouse=True)
def lax_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
async def fleet(nats_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Fleet]:
    """One whose state directory is not there yet, `home/state/fleetfold`."""
    (tmp_path / "logs").mkdir()
    async with running_fleet(tmp_path / "logs") as fleet:
        monkeypatch.setenv("FLEETFOLD_STATE", str(tmp_path / "home" / "state" / "fleetfold"))
        yield fleet


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    return write_jsonl(tmp_path / "docs.jsonl", [{"id": "1", "title": "a tent"}])


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("chosen", [False, True], ids=["default state", "chosen data"])
async def test_what_a_fleet_writes_is_its_owners_alone(
    fleet: Fleet, documents: Path, tmp_path: Path, tls: bool, chosen: bool
) -> None:
    data = tmp_path / "srv" / "fleet" / "data"
    place, shop = (["--data", str(data)], ["--data", str(data / "shop")]) if chosen else ([], [])
    await fleet.start("up", "up", "--port", "0", *(["--tls"] if tls else []), *place)
    await fleet.start_child("shop", "--collection", f"products={documents}", *shop)
    assert (await fleetfold("search", "tent")).code == 0
    assert (await fleetfold("run", "shop", "doze", "seconds=0")).code == 0
    assert written(tmp_path) > 20
    assert exposed(tmp_path) == []
    checked = await fleetfold("config", "check", "--json")
    assert [found for found in checked.json["findings"] if found["severity"] == "weak"] == []
    await fleet.close()
    assert exposed(tmp_path) == []


async def test_folders_close_what_a_program_with_its_own_umask_writes(
    fleet: Fleet, documents: Path, tmp_path: Path
) -> None:
    await fleet.start_core()
    assert (await python("-c", PROGRAM, str(documents))).code == 0
    children = tmp_path / "home" / "state" / "fleetfold" / "children"
    assert {mode(path) for path in (children, children / "shop", children / "shop" / "lance")} == {0o700}
    assert {mode(path) for path in (children / "shop").iterdir() if path.is_file()} == {0o600}


def places(tmp_path: Path) -> list[Path]:
    return [path for place in ("home", "srv") for path in ((tmp_path / place), *(tmp_path / place).rglob("*"))]


def written(tmp_path: Path) -> int:
    return sum(path.is_file() for path in places(tmp_path))


def exposed(tmp_path: Path) -> list[str]:
    """What others may read, write or enter."""
    found = [path for path in places(tmp_path) if path.exists() and path.name not in PUBLIC]
    return [f"{path} {mode(path):04o}" for path in found if mode(path) & 0o077]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)
