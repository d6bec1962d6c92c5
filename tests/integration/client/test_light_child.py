"""A child with actions and no collection loads nothing that a search needs, and starts where that is not installed."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator

import pytest

from fleetfold_broker.server.embedded import EmbeddedBroker
from fleetfold_master.master import Master
from fleetfold_shared.config import AccessConfig
from support.fleet import TESTS, python

HEAVY = "lancedb", "pyarrow", "numpy", "wordllama", "tokenizers", "safetensors", "Stemmer", "sqlalchemy", "cryptography"
PROGRAM = """
import asyncio, pathlib, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in sys.argv[3:]:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

if sys.argv[2] == "blocked":
    sys.meta_path.insert(0, Blocked())
from fleetfold import Child, Client
from support.books import ACTIONS, prepare

async def serve():
    child = Child("shop", url=sys.argv[1])
    child.add(ACTIONS).prepare(prepare)
    await child.start()
    async with Client.connect(sys.argv[1]) as fleet:
        assert (await fleet.run("doze", {"seconds": 0}, nodes=["shop"])).state == "ok"
        await fleet.search("tent")
        assert (await fleet.nodes.ping("shop"))["shop"] is not None
    await child.stop()

asyncio.run(serve())
print("loaded:", *sorted({name.partition(".")[0] for name in sys.modules} & set(sys.argv[3:])))
print(*(line for line in pathlib.Path("/proc/self/status").read_text().splitlines() if "VmRSS" in line))
"""


@pytest.fixture
async def master(broker: EmbeddedBroker, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Master]:
    master = Master(broker.url, data=tmp_path_factory.mktemp("master"), access=AccessConfig(insecure=True))
    await master.start()
    yield master
    await master.stop()


@pytest.mark.parametrize("how", ["installed", "blocked"])
async def test_a_child_with_actions_alone_loads_no_search(
    broker: EmbeddedBroker, master: Master, tmp_path_factory: pytest.TempPathFactory, how: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("FLEETFOLD_STATE", str(tmp_path_factory.mktemp("state")))
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    ended = await python("-c", PROGRAM, broker.url, how, *HEAVY)
    with capsys.disabled():
        sys.stdout.write(f"\n{ended.out.splitlines()[-1:]} ")
    assert ended.code == 0, ended.err
    assert ended.out.splitlines()[0] == "loaded:"
