"""Wiring of the cluster: what one master needs to share work and rows with others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

import structlog

from fleetfold_broker.jetstream.topology import Topology
from fleetfold_master.access.container import AccessContainer
from fleetfold_master.api import Bindings, NodeGateway
from fleetfold_master.cluster.invalidation import Reload
from fleetfold_master.cluster.master_rows import TakenOver
from fleetfold_master.cluster.owner_routing import OwnerRouting
from fleetfold_master.cluster.peer_messages import CacheName
from fleetfold_master.cluster.peers import Peers
from fleetfold_master.cluster.result_routing import OnFailure, ResultRouting
from fleetfold_master.jobs import Jobs
from fleetfold_master.jobs.task import parse_command_id
from fleetfold_master.search import Cache
from fleetfold_master.transactions import Transactions
from fleetfold_master.transactions.model import parse_id
from fleetfold_shared.concurrency import settle_all
from fleetfold_shared.errors import FleetfoldError

__all__ = ["ClusterPeers", "CutOff", "shared_caches"]

log = structlog.get_logger(__name__)

CutOff = Callable[[str], Awaitable[None]]
"""Ends the connections of the master with this id: as long as a dead master hangs, the broker keeps giving it its share
of messages."""


TakeOver = Callable[[Sequence[str]], Awaitable[None]]
"""Resumes these transactions of a dead master."""


class ClusterPeers:
    """Routing of results and of requests to the owners of the work, and its resumption after a takeover.

    `take_over` resumes a dead master's transactions. `on_failure` is awaited with each result that has an error code,
    before it is acknowledged.
    """

    def __init__(
        self, peers: Peers, fleet: NodeGateway, topology: Topology, jobs: Jobs, transactions: Transactions,
        take_over: TakeOver, on_failure: OnFailure, cut_off: CutOff, is_replaced: Callable[[str, str], bool],
    ) -> None:  # fmt: skip
        self._topology, self._jobs, self._take_over, self._cut_off = topology, jobs, take_over, cut_off
        self._transactions = transactions
        engines = ((_job_of, jobs), (_transaction_of, transactions))
        self.results = ResultRouting(engines, peers, fleet.learn, on_failure, is_replaced)
        self._peers = peers

    async def start(self) -> None:
        """Serve the results that other masters offer."""
        await self.results.start()

    def owner_routing(self, bindings: Bindings) -> OwnerRouting:
        """Return the interceptor that forwards requests to the masters that own their subjects."""
        return OwnerRouting({"jobs": self._jobs, "transactions": self._transactions}, self._peers, bindings)

    async def resume(self, taken: TakenOver) -> None:
        """End a dead master's connections, and resume its work. Results that it received but did not acknowledge are
        redelivered to live masters."""
        await settle_all([self._take_off_the_bus(taken.dead), self._recover(taken)])

    async def _recover(self, taken: TakenOver) -> None:
        await self._take_over(taken.transactions)
        await self._jobs.recover(taken.jobs)
        await self._jobs.sweep()

    async def _take_off_the_bus(self, dead: str) -> None:
        """First of all: while its connections are open, the broker gives a hanging master a share of the requests."""
        try:
            await self._cut_off(dead)
            await self._topology.redeliver_results()
        except FleetfoldError as error:  # then the results come when the broker's ack wait has expired
            log.warning("results.not_redelivered", reason=error.message)


def shared_caches(fleet: NodeGateway, access: AccessContainer, cache: Cache) -> Mapping[CacheName, Reload]:
    """The in-memory caches of rows that all masters share, and how each is reloaded."""
    return {
        "nodes": fleet.reload,
        "sessions": lambda _: access.sessions.load(),
        "keys": lambda _: access.keys.load(),
        "join_requests": lambda _: access.join_requests.load(),
        "signing": lambda _: asyncio.to_thread(access.signing.refresh),
        "cache": lambda _: _at_once(cache.forget),
    }


def _job_of(command: str) -> str | None:
    address = parse_command_id(command)
    return None if address is None else address[0]


def _transaction_of(command: str) -> str | None:
    address = parse_id(command)
    return None if address is None else address.tx


async def _at_once(work: Callable[[], None]) -> None:
    work()
