"""Every result says which process gave it, so that the masters can refuse one of a replaced process."""

from __future__ import annotations

from types import SimpleNamespace

from fleetfold_child.commands.result_publisher import ResultPublisher
from fleetfold_shared.messages import CommandResult
from fleetfold_shared.redaction import Redactor

OF_BEFORE = CommandResult(id="j.1.shop", attempt=1, epoch=0, outcome="ok", incarnation="of-before")


async def test_a_result_carries_the_incarnation_of_the_process_that_sends_it() -> None:
    """Also one that an earlier process left in the ledger: the present one vouches for it."""
    sent: list[CommandResult] = []

    async def publish(result: CommandResult) -> None:
        sent.append(result)

    ledger = SimpleNamespace()
    publisher = ResultPublisher(SimpleNamespace(publish=publish), ledger, "i2", dict, Redactor())  # type: ignore[arg-type]
    await publisher.publish(OF_BEFORE)
    assert [result.incarnation for result in sent] == ["i2"]
