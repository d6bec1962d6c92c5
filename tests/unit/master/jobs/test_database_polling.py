"""Looking into the database for what another master drives: the more look, the less often each does."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from fleetfold_master.jobs import database_polling
from support.wait import eventually


async def test_all_together_look_no_more_often_than_a_few_would(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses, go_on = list[float](), asyncio.Event()

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        await go_on.wait()

    monkeypatch.setattr(database_polling, "asyncio", SimpleNamespace(sleep=sleep))
    waiting = [asyncio.ensure_future(database_polling.until_next_look(0.25, 60.0)) for _ in range(4000)]
    waiting.append(asyncio.ensure_future(database_polling.until_next_look(0.25, 1.0)))
    await eventually(lambda: len(pauses) == 4001)
    go_on.set()
    await asyncio.gather(*waiting)
    assert pauses[0] == pauses[50] == 0.25
    assert pauses[3999] == 4000 / database_polling.LOOKS_PER_S
    assert pauses[4000] == 1.0  # nobody waits for longer than asked
    monkeypatch.undo()
    await database_polling.until_next_look(0.0, 0.0)
    assert database_polling._pausing == 0
