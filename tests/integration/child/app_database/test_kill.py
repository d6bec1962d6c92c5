"""A node that is killed at every instant of its work in the application's database: each effect exactly once."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from support.application import EFFECT, look
from support.effort import effort

WORKER = Path(__file__).parents[3] / "support" / "application_worker.py"
COMMANDS = 60
INSTANTS = [
    "before the transaction begins",
    "before the effect",
    "after the effect",
    "before the marker is filled",
    "while it commits",
    "between the two commits",
    "before the ack",
]


def work(directory: Path, url: str, *death: str) -> dict[str, str]:
    """One life of the process; the outcomes it told of."""
    words = [sys.executable, str(WORKER), str(directory), url, str(COMMANDS), *death]
    lived = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=False)
    assert lived.returncode == (-9 if death else 0)
    return dict(line.split() for line in lived.stdout.splitlines() if line.count(" ") == 1)


def _took_effect(outcome: str) -> str:
    return "ok" if outcome == "compensated" else outcome


@pytest.mark.dear
@pytest.mark.parametrize("seed", range(1, 1 + effort(1)))
def test_each_effect_happens_exactly_once_over_kills_at_every_instant(
    tmp_path: Path, database_url: str, seed: int
) -> None:
    rng = random.Random(seed)
    look(database_url, EFFECT)
    told: dict[str, str] = {}
    for instant in rng.sample(INSTANTS, len(INSTANTS)):
        told |= work(tmp_path, database_url, instant, str(rng.randint(1, 6)))
        if rng.random() < 0.2:  # the ledger is lost with its disk
            for file in tmp_path.glob("node.db*"):
                file.unlink()
    final = work(tmp_path, database_url)

    counts = Counter((what, key) for key, what in look(database_url, "SELECT id, what FROM effect"))
    # «compensated» is what a command that was ok answers once its compensation is known
    assert {command: _took_effect(final[command]) for command in told} == {
        command: _took_effect(outcome) for command, outcome in told.items()
    }
    for number in range(COMMANDS):
        done, undone = counts["do", f"c{number}"], counts["undo", f"c{number}"]
        if number % 5 == 0:  # whoever came first
            assert (done, undone) == ((1, 1) if _took_effect(final[f"c{number}"]) == "ok" else (0, 0))
        else:
            assert (done, undone) == (1, int(number % 3 == 0))
