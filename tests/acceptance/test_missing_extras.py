"""A command that needs an extra which is not installed says so in one line, and which extra it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fleetfold.extras import EXTRAS
from fleetfold_broker.server.embedded import EmbeddedBroker
from support.fleet import TESTS, Said, python

pytestmark = pytest.mark.dear

BLOCKED = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in sys.argv[1].split(","):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocked())
from fleetfold_cli import main
sys.exit(main(sys.argv[2:]))
"""
MASTER = "needs the extra `master`: pip install 'fleetfold[master]'"
CHILD = "fleetfold child needs the extra `child`: pip install 'fleetfold[child]'"
ALL = ",".join(EXTRAS)
UP = ["up", "--port", "0"]
SHOP = ["child", "--name", "shop", "--collection", "products"]
POSTGRES = ["master", "--insecure", "--database", "postgresql://nobody@127.0.0.1:1/none"]
BOOKS = ["child", "--name", "shop", "--actions", "support.appbooks", "--database", "shop=sqlite:///shop.db"]
CASES = [
    *(
        (module, UP, f"fleetfold up {MASTER}")
        for module in EXTRAS
        if "master" in EXTRAS[module] and module != "cryptography"
    ),
    ("cryptography", [*UP, "--tls"], "fleetfold[master]"),
    ("cryptography", ["certs"], "fleetfold[master]"),
    *((module, SHOP, CHILD) for module in EXTRAS if "child" in EXTRAS[module]),
    (
        "fsspec",
        ["backup", "list", "memory://bucket"],
        "fleetfold backup needs the extra `backup`: pip install 'fleetfold[backup]'",
    ),
    ("sqlalchemy", BOOKS, "fleetfold[sql]"),
    ("psycopg", POSTGRES, "fleetfold[postgres]"),
    (ALL, UP, f"fleetfold up {MASTER}"),
    (ALL, ["demo", "--exit"], "fleetfold demo needs the extra `all`: pip install 'fleetfold[all]'"),
]


@pytest.mark.parametrize(("blocked", "words", "said"), CASES, ids=[f"{w[0]} without {m[:20]}" for m, w, _ in CASES])
async def test_a_command_says_in_one_line_what_it_lacks(
    broker: EmbeddedBroker, tmp_path: Path, blocked: str, words: list[str], said: str
) -> None:
    ended = await without(blocked, words, tmp_path, broker.url)
    [line] = [line for line in ended.err.splitlines() + ended.out.splitlines() if "pip install" in line]
    assert said in line
    assert ended.code in {1, 2}
    assert "Traceback" not in ended.err


async def without(blocked: str, words: list[str], place: Path, url: str) -> Said:
    """Run the command where the modules cannot be imported."""
    env = {**os.environ, "FLEETFOLD_STATE": str(place / "state"), "FLEETFOLD_URL": url, "PYTHONPATH": str(TESTS)}
    return await python("-c", BLOCKED, blocked, *words, env=env)
