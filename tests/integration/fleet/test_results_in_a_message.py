"""Several results in one message: each is taken, and when one cannot be, all of them come again."""

from __future__ import annotations

import pytest

from fleetfold_broker.jetstream.pull_consumer import NotYet
from fleetfold_shared.messages import CommandResult, CommandResults, encode
from support.inprocess import Fleet, fleet

__all__ = ["fleet"]


async def test_one_that_cannot_be_taken_yet_keeps_none_of_the_others_from_it(fleet: Fleet) -> None:
    assert fleet.master is not None
    taken: list[str] = []

    async def take(node: str, result: CommandResult) -> bool:
        if result.id == "early":
            raise NotYet("between two masters")
        taken.append(f"{node} {result.id}")
        return True

    handle = fleet.master._cluster._fleet.results(take)
    results = [CommandResult(id=id_, attempt=1, epoch=0, outcome="ok") for id_ in ("early", "a", "b")]
    with pytest.raises(NotYet):
        await handle("fleet.res.shop", encode(CommandResults(results=results)))
    assert sorted(taken) == ["shop a", "shop b"]
    await handle("fleet.res.shop", b'{"results": 1}')
    assert len(taken) == 2
