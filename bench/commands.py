"""Durable commands and transactions a second, against JetStream's publish-and-ack alone.

A command is `Client.run` of an action that does nothing, from its call to its answer: client, master and its
database, JetStream, child and its ledger, JetStream, master, client. A transaction is three of them in a row.
Two floors, on a server of their own where nobody is asked who he is: `bare` counts JetStream's answers itself,
`library` is nats-py's own `jetstream().publish`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

from bench.bare import BareBus
from bench.processes import Processes, bare_broker, cpu_spent, running_fleet
from bench.rounds import medians, pace, rate
from fleetfold.client import Client
from fleetfold_shared.messages import Rollback, StepSpec

__all__ = ["IN_FLIGHT", "Desk", "measure"]

CHILD = "worker"
IN_FLIGHT = (1, 10, 100)
BARE = {1: 1000, 10: 5000, 100: 20_000}
COMMANDS = {1: 300, 10: 1500, 100: 6000}
TRANSACTIONS = {1: 100, 10: 500, 100: 1500}


async def measure(rounds: int) -> dict[str, Any]:
    """Figures by how many were in flight; `cpu_us` is CPU time for each command or transaction, by process."""
    async with bare_broker() as floor, await BareBus.connect(floor) as bare, running_fleet() as fleet:
        await bare.make_stream()
        desk = await Desk.open(fleet)
        await _round(desk, bare, 10)  # the first one warms up
        return {str(number): await _at(desk, bare, number, rounds) for number in IN_FLIGHT}


class Desk:
    """A fleet with a child that does nothing, and a client that has it do so."""

    def __init__(self, fleet: Processes, client: Client) -> None:
        self._fleet, self._client = fleet, client
        self._numbers = count()

    @classmethod
    async def open(cls, fleet: Processes) -> Desk:
        """Start the child."""
        await fleet.child(CHILD, "--actions", "bench.noop:noop", "--concurrency", "100")
        return cls(fleet, await fleet.client())

    async def round(self, in_flight: int) -> dict[str, float]:
        """Commands and then transactions a second, and what each costs."""
        figures = await _metered(self._fleet, "command", self._command, in_flight, COMMANDS[in_flight])
        return figures | await _metered(
            self._fleet, "transaction", self._transaction, in_flight, TRANSACTIONS[in_flight]
        )

    async def _command(self) -> None:
        job = await self._client.run("noop", {"number": next(self._numbers)}, nodes=[CHILD])
        _require(job.state, "ok")

    async def _transaction(self) -> None:
        view = await self._client.transact([_step(name) for name in ("first", "second", "third")])
        _require(view.state, "committed")


async def _at(desk: Desk, bare: BareBus, in_flight: int, rounds: int) -> dict[str, Any]:
    measured = [await _round(desk, bare, in_flight) for _ in range(rounds)]
    figures = medians(measured)
    ratios = {
        f"{name}_to_{floor}_ratio": round(figures[f"{name}_per_s"] / figures[f"{floor}_per_s"], 4)
        for name in ("command", "transaction") for floor in ("bare", "library")
    }  # fmt: skip
    return {**figures, **ratios}


async def _round(desk: Desk, bare: BareBus, in_flight: int) -> dict[str, float]:
    figures = {
        "bare_per_s": await rate(bare.publish_and_ack, in_flight, BARE[in_flight]),
        "library_per_s": await rate(bare.publish_by_library, in_flight, BARE[in_flight] // 2),
    }
    await bare.empty_stream()
    return figures | await desk.round(in_flight)


async def _metered(
    fleet: Processes, what: str, work: Callable[[], Awaitable[None]], in_flight: int, number: int
) -> dict[str, float]:
    before = fleet.cpu_s()
    measured = await pace(work, in_flight, number)
    spent = cpu_spent(before, fleet.cpu_s(), number)
    spent |= {"all": sum(spent.values())}
    return {
        **{f"{what}_{name}": value for name, value in measured._asdict().items()},
        **{f"{what}_cpu_us_{process}": used for process, used in spent.items()},
    }


def _step(name: str) -> StepSpec:
    return StepSpec(name=name, node=CHILD, action="noop", rollback=Rollback("noop"))


def _require(state: str, wanted: str) -> None:
    if state != wanted:
        raise RuntimeError(f"it ended {state}, so the figure would mean nothing")
