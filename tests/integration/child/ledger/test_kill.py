"""kill -9 in the middle of thousands of commands: what each kind of action promises, counted in its own table."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from support.effort import effort

WORKER = Path(__file__).parents[3] / "support" / "ledger_worker.py"
COMMANDS = 3000
ROUNDS = 6


def work(directory: Path, kill_after: int | None) -> dict[str, str]:
    """Run the worker, killed when so many commands have ended; the outcomes it told of."""
    ended: dict[str, str] = {}
    arguments = [sys.executable, str(WORKER), str(directory), str(COMMANDS)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            command, outcome = line.split()
            ended[command] = outcome
            if len(ended) == kill_after:
                process.kill()
                break
    assert (process.returncode == 0) == (kill_after is None)
    return ended


@pytest.mark.dear
@pytest.mark.parametrize("seed", range(1, 1 + effort(1)))
def test_every_kind_keeps_its_promise_over_kills(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    told: dict[str, str] = {}
    for number in range(ROUNDS):
        ended = work(tmp_path, rng.randint(1, COMMANDS // ROUNDS) + number * COMMANDS // ROUNDS)
        assert all(ended[command] == outcome for command, outcome in told.items() if command in ended)
        told |= ended
    final = work(tmp_path, None)
    assert {command: final[command] for command in told} == told

    with sqlite3.connect(tmp_path / "node.db") as connection:
        effects = Counter(command for (command,) in connection.execute("SELECT id FROM effect"))
    connection.close()
    assert len(final) == COMMANDS
    for command, outcome in final.items():
        match command.partition("-")[0]:
            case "transactional":
                assert (effects[command], outcome) == (1, "ok")
            case "idempotent":
                assert effects[command] >= 1
                assert outcome == "ok"
            case _:
                assert effects[command] == 1 if outcome == "ok" else effects[command] <= 1
                assert outcome in {"ok", "unknown"}
    sys.stdout.write(
        f"seed {seed}: {Counter(final.values())}, more than once: {sum(n > 1 for n in effects.values())}\n"
    )
