"""The master's jobs over a real database, with fakes for the nodes, their queues and the time; and its deaths."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager

from fleetfold_master.jobs import Cancellations, JobOptions, Jobs
from fleetfold_master.store import Store
from fleetfold_shared.clock import ManualClock
from fleetfold_shared.errors import Unavailable
from fleetfold_shared.messages import CancelVerdict, Command, Job, Outcome
from support.master import Doctor, Outbox, answer

__all__ = ["JobBench", "Nodes", "open_room", "outcomes"]


class Nodes:
    """Queues and nodes: `queued` is what has not been delivered, `verdicts` what a node says of a command; one that is
    not named says nothing. What was asked of them is written down.
    """

    def __init__(self) -> None:
        self.queued: set[str] = set()
        self.verdicts: dict[str, CancelVerdict] = {}
        self.cancellations: list[tuple[str, set[str], bool]] = []
        self.asked: list[tuple[str, list[str], str]] = []
        self.broken = False

    async def withdraw(
        self, node: str, ids: Collection[str], since: float = 0.0, *, delivered_too: bool = False
    ) -> set[str]:
        if self.broken:
            raise Unavailable("the broker is away")
        self.cancellations.append((node, set(ids), delivered_too))
        found = self.queued.intersection(ids)
        self.queued -= found
        return found

    async def ask(self, node: str, ids: list[str], by: str) -> dict[str, CancelVerdict]:
        self.asked.append((node, ids, by))
        return {key: self.verdicts[key] for key in ids if key in self.verdicts}


class JobBench:
    """Jobs with all that they are given. `slots` limits actions."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.graves: list[tuple[Store, Cancellations]] = []
        self.outbox, self.doctor, self.clock, self.nodes = Outbox(), Doctor(), ManualClock(), Nodes()
        self.slots: dict[str, int] = {}

    async def open(self) -> None:
        self.store = await Store.open(self.url)
        self.cancellations = Cancellations(self.nodes, self.nodes.ask, self.doctor, self.clock)
        self.jobs = Jobs(
            self.store,
            self.outbox,
            self.clock,
            self.doctor,
            JobOptions(slots_of=self._slots_of),
            cancellations=self.cancellations,
        )
        await self.jobs.recover()
        self.cancellations.start(self.jobs.results.withdrawn)

    async def die_and_return(self) -> None:
        """All that was in memory is lost, and nothing was closed. (The old handle is, at the end of the test.)"""
        await self.cancellations.close()
        self.graves.append((self.store, self.cancellations))
        await self.open()

    async def close(self) -> None:
        await self.jobs.close()
        await self.cancellations.close()
        for store in (self.store, *(store for store, _ in self.graves)):
            await store.close()

    async def pass_time(self, seconds: float) -> None:
        """The clock goes on, and the master sweeps once."""
        self.clock.advance(seconds)
        await self.jobs.sweep()
        self.cancellations.sweep()

    async def reply(self, *sent: tuple[str, Command], outcome: Outcome = "ok") -> None:
        """The nodes answer what they were sent."""
        for node, command in sent:
            await self.jobs.on_result(node, answer(command, outcome, error=None if outcome == "ok" else "no"))

    def sent(self) -> list[str]:
        """Whom something was sent to since the last time."""
        return [node for node, _ in self.outbox.take()]

    def _slots_of(self, action: str, _nodes: Sequence[str]) -> int | None:
        return self.slots.get(action)


def outcomes(job: Job) -> list[str | None]:
    """What became of each node, in order."""
    return [each.outcome for each in job.nodes]


@asynccontextmanager
async def open_room(url: str) -> AsyncIterator[JobBench]:
    """A room that is closed at the end."""
    room = JobBench(url)
    await room.open()
    try:
        yield room
    finally:
        await room.close()
