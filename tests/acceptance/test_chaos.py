"""The benchmark's chaos, in small: two masters, and a fault of each kind; the children's books must balance.

`bench/chaos.py` is the same at any length and with all faults; `$FLEETFOLD_CHAOS_SEED` is another course of events.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support.fleet import python

CHAOS = Path(__file__).parents[2] / "bench" / "chaos.py"
SEED = os.environ.get("FLEETFOLD_CHAOS_SEED", "1")
TRANSACTIONS, STRIKES = "24", "4"
FAULTS = "kill master,kill child,hung master,zombie,cut wire,older ledger,damaged ledger,clock of a child"
"""Those that need neither root nor a collection."""


@pytest.mark.timeout(500)
async def test_whatever_dies_the_books_balance(nats_server: str) -> None:
    words = [str(CHAOS), "--seed", SEED, "--transactions", TRANSACTIONS, "--masters", "2"]
    words += ["--strikes", STRIKES, "--faults", FAULTS]
    said = await python(*words, timeout_s=450)
    assert said.code == 0, said.out + said.err
    assert f"{TRANSACTIONS} transactions, 0 violations" in said.out
