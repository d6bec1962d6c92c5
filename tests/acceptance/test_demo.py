"""The demo is the main job: it ends 0 only if all of it happened."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support.fleet import fleetfold, running_fleet

pytestmark = pytest.mark.slow

PROMISES = [
    "three nodes are registered and healthy",
    "the hits come from several nodes",
    "every node answered",
    "the new post is found, and leads",
    "it committed",
    "the CRM has the order",
    "it was rolled back",
    "the order was cancelled before the stock was released",
    "stock and account are as they were",
    "the transaction ended committed",
    "the order is packed, once",
]


async def test_the_demo_keeps_every_promise_and_leaves_nothing_behind(
    nats_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    async with running_fleet(tmp_path):
        said = await fleetfold("demo", "--exit", timeout_s=100)
    assert said.code == 0, said
    assert [promise for promise in PROMISES if f"✓ {promise}" not in said.out] == []
    assert "All of it happened" in said.out
    assert "Traceback" not in said.err
    assert [left for _, *lefts in os.walk(tmp_path) for left in lefts if left] == []
