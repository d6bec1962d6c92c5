"""The pipeline of commands: what is terminated, what is delivered again, and what is done before the ack."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from fleetfold_broker.identity import BrokerKeys
from fleetfold_broker.identity.message_seals import MasterSeals
from fleetfold_broker.identity.seal_check import SealCheck
from fleetfold_broker.jetstream.delivery_acks import ACK_SUBJECT, DeliveryAcks
from fleetfold_broker.rpc.pipeline import Call
from fleetfold_broker.subjects import Subjects
from fleetfold_child.interceptors import RequireLedger, command_pipeline
from fleetfold_child.ledger.ledger_acceptance import LedgerAcceptance
from fleetfold_child.node.health import Health
from fleetfold_shared.errors import FleetfoldError, InvalidInput, Unavailable
from fleetfold_shared.messages import Command, CommandResult, encode

MASTER = MasterSeals(BrokerKeys.generate().issuer)
SUBJECT = "fleet.cmd.shop"
COMMAND = Command(id="a", attempt=1, action="reindex")
DONE = CommandResult(id="a", attempt=1, epoch=0, outcome="ok")


class _Node:
    """A node to which commands are delivered. `steps` are what was done, in order; `errors` are raised by their step.

    It stands for the bus, the executor and the publisher of results.
    """

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.errors: dict[str, FleetfoldError] = {}
        self.problem = ""
        self.health = Health({"ledger": [self._check]}, lambda: None)
        seals = SealCheck(Subjects(), self._no_keys)
        seals.trust(MASTER.keys("shop"))
        self.acks = DeliveryAcks(SimpleNamespace(connection=SimpleNamespace(publish=self._ack)), "shop")  # type: ignore[arg-type]
        executor, results = SimpleNamespace(handle=self._execute), SimpleNamespace(publish=self._publish)
        self.acceptance = LedgerAcceptance()
        required = RequireLedger(self.health, self.acceptance)
        self._handle = command_pipeline(seals, self.acks, results, required, executor)  # type: ignore[arg-type]

    async def deliver(self, body: bytes = encode(COMMAND), *, sealed: bool = True) -> None:
        headers = MASTER.sealed("shop", SUBJECT, body, {}) if sealed else {}
        found: dict[Any, Any] = {ACK_SUBJECT: "$JS.ACK.FLEET_CMD.shop.1.1.1.0.0"}
        await self._handle(Call(verb="command", subject=SUBJECT, body=body, headers=headers, found=found))

    async def _no_keys(self) -> None:
        raise Unavailable("no master answers")

    async def _check(self, _thorough: bool) -> None:
        if self.problem:
            raise Unavailable(self.problem)

    async def _ack(self, _subject: str, data: bytes) -> None:
        self._do(data.decode().partition(" ")[0])

    async def _execute(self, command: Command, *, age_s: float) -> CommandResult:
        self._do(f"run {command.id}")
        return DONE

    async def _publish(self, result: CommandResult) -> None:
        assert result is DONE
        self._do("publish")

    def _do(self, step: str) -> None:
        self.steps.append(step)
        if step in self.errors:
            raise self.errors[step]


@pytest.fixture
def node() -> _Node:
    return _Node()


async def test_a_command_is_run_its_result_published_and_then_its_delivery_acked(node: _Node) -> None:
    await node.deliver()
    assert (node.steps, node.acks.exits) == (["run a", "publish", "+ACK"], {"ended": 1})


@pytest.mark.parametrize(
    ("body", "sealed", "code"),
    [(encode(COMMAND), False, "forbidden"), (b"{broken", False, "forbidden"), (b"{broken", True, "invalid_input")],
)
async def test_what_is_no_command_of_a_master_is_terminated_and_not_run(
    node: _Node, body: bytes, sealed: bool, code: str
) -> None:
    await node.deliver(body, sealed=sealed)
    assert (node.steps, node.acks.exits) == (["+TERM"], {code: 1})


async def test_an_error_of_the_run_itself_is_no_fault_of_the_delivery(node: _Node) -> None:
    """It is delivered again, whatever the error's type."""
    node.errors["run a"] = InvalidInput("raised inside")
    with capture_logs() as lines:
        await node.deliver()
    assert (node.steps, node.acks.exits) == (["run a"], {"not_ended": 1})
    assert [line["event"] for line in lines] == ["delivery.not_finished"]


async def test_a_command_whose_result_is_not_stored_is_delivered_again_and_the_ledger_not_suspected(
    node: _Node,
) -> None:
    node.errors["publish"] = Unavailable("the stream is full")
    await node.deliver()
    assert (node.steps, node.acks.exits) == (["run a", "publish"], {"not_ended": 1})
    assert not node.health._suspects


async def test_a_command_that_finds_its_ledger_broken_has_it_checked(node: _Node) -> None:
    node.errors["run a"] = Unavailable("shop: its ledger cannot be written")
    await node.deliver()
    assert (node.steps, node.health._suspects) == (["run a"], {"ledger"})


async def test_no_command_is_run_while_the_ledger_does_not_work(node: _Node) -> None:
    node.problem = "no space left on device"
    await node.health.look()
    await node.deliver()
    assert (node.steps, node.acks.exits) == ([], {"not_ended": 1})
    node.problem = ""
    await node.health.look()
    await node.deliver()
    assert node.steps == ["run a", "publish", "+ACK"]


async def test_no_command_is_run_while_the_masters_refuse_the_ledger(node: _Node) -> None:
    node.acceptance.apply(accepted=False, reason="ledger: it is older (height 1, known 2)")
    await node.deliver()
    assert (node.steps, node.acks.exits, node.health._suspects) == ([], {"not_ended": 1}, set())
    node.acceptance.apply(accepted=True, reason="")
    await node.deliver()
    assert node.steps == ["run a", "publish", "+ACK"]
