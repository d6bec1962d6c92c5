"""Several results in one message: each is taken, and when one cannot be, all of them come again."""

from __future__ import annotations

import pytest

from fleetfold_broker.jetstream.pull_consumer import NotYet
from fleetfold_broker.rpc.pipeline import Call
from fleetfold_master.nodes.result_pipeline import result_pipeline
from fleetfold_shared.messages import CommandResult, CommandResults, encode
from fleetfold_shared.redaction import Redactor
from support.inprocess import Fleet, fleet, gateway_of

__all__ = ["fleet"]


def _message(body: bytes) -> Call:
    return Call(verb="result", identity="shop", subject="fleet.res.shop", body=body)


async def test_one_that_cannot_be_taken_yet_keeps_none_of_the_others_from_it(fleet: Fleet) -> None:
    assert fleet.master is not None
    taken: list[str] = []

    async def take(node: str, result: CommandResult) -> bool:
        if result.id == "early":
            raise NotYet("between two masters")
        taken.append(f"{node} {result.id}")
        return True

    gateway = gateway_of(fleet.master)
    handle = result_pipeline(gateway._inflow, Redactor(), gateway.learn, take)
    results = [CommandResult(id=id_, attempt=1, epoch=0, outcome="ok") for id_ in ("early", "a", "b")]
    with pytest.raises(NotYet):
        await handle(_message(encode(CommandResults(results=results))))
    assert sorted(taken) == ["shop a", "shop b"]
    await handle(_message(b'{"results": 1}'))
    assert len(taken) == 2
