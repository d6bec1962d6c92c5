"""Wiring of the cluster: what one master needs to share a database with others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from fleetfold_master.access.container import AccessContainer
from fleetfold_master.api import Bindings, NodeGateway
from fleetfold_master.cluster.invalidation import CacheInvalidation
from fleetfold_master.cluster.master_rows import Taken
from fleetfold_master.cluster.owner_routing import OwnerRouting
from fleetfold_master.cluster.peer_messages import Rose
from fleetfold_master.cluster.peers import Peers
from fleetfold_master.cluster.result_routing import ResultRouting
from fleetfold_master.jobs import Jobs
from fleetfold_master.jobs.task import parse_command_id
from fleetfold_master.nodes import Registry
from fleetfold_master.search import Cache
from fleetfold_master.transactions import Transactions
from fleetfold_master.transactions.model import parse_id
from fleetfold_shared.errors import FleetfoldError
from fleetfold_shared.messages import CommandResult

__all__ = ["ClusterPeers"]

log = structlog.get_logger(__name__)


class ClusterPeers:
    """The cluster's parts. The owner calls `start`, then `share` when the caches exist, and `stop`."""

    def __init__(self, peers: Peers, fleet: NodeGateway, jobs: Jobs, transactions: Transactions) -> None:
        self._peers, self._fleet, self._jobs, self._transactions = peers, fleet, jobs, transactions
        self.results = ResultRouting(((_job_of, jobs), (_transaction_of, transactions)), peers, fleet.learn)
        self.sharing = CacheInvalidation(peers)
        self.cut_off: Callable[[str], Awaitable[None]] = _leave_connected
        """Ends the connections of a dead master: as long as it hangs, the broker keeps giving it its share of
        messages."""

    async def start(self) -> None:
        """Serve the other masters."""
        self._fleet.on_rose = self._tell_epochs
        await self._peers.hear("rose", Rose, self._rose)
        for part in (self.results, self.sharing):
            await part.start()

    def owner_routing(self, bindings: Bindings) -> OwnerRouting:
        """Return the interceptor that forwards requests to the masters that own their subjects."""
        return OwnerRouting({"jobs": self._jobs, "transactions": self._transactions}, self._peers, bindings)

    def share(self, registry: Registry, access: AccessContainer, cache: Cache) -> None:
        """Register the caches of shared rows for invalidation in both directions."""
        sharing, fleet = self.sharing, self._fleet
        fleet.alone = lambda: sharing.alone
        sharing.register("nodes", fleet.reload)
        registry.on_change = partial(sharing.changed, "nodes")
        sharing.register("sessions", lambda _: access.sessions.load())
        access.sessions.on_change = partial(sharing.changed, "sessions")
        sharing.register("keys", lambda _: access.keys.load())
        access.keys.on_change = partial(sharing.changed, "keys")
        sharing.register("petitions", lambda _: access.petitions.load())
        access.petitions.on_change = partial(sharing.changed, "petitions")
        sharing.register("signing", lambda _: asyncio.to_thread(access.signing.refresh))
        access.signing.on_change = partial(sharing.changed, "signing")
        sharing.register("cache", lambda _: _at_once(cache.forget))
        cache.on_clear = partial(sharing.changed, "cache")

    async def drive_on(self, taken: Taken) -> None:
        """Resume a dead master's work. Results that it received but did not acknowledge are redelivered to live
        masters."""
        await self._transactions.recover(taken.transactions)
        await self._jobs.recover(taken.jobs)
        await self._jobs.sweep()
        try:
            await self.cut_off(taken.dead)
            await self._fleet.redeliver_results()
        except FleetfoldError as error:  # then the results come when the broker's ack wait has expired
            log.warning("results.not_redelivered", reason=error.message)

    async def stop(self) -> None:
        """Unsubscribe from the peers' subjects."""
        await self._peers.stop()

    async def _tell_epochs(self, node: str, result: CommandResult) -> None:
        if not self.sharing.alone:
            await self._peers.say("rose", Rose(node=node, incarnation=result.incarnation, epochs=result.epochs))

    def _rose(self, told: Rose) -> None:
        self._fleet.epochs.rose(told.node, told.incarnation, told.epochs)


def _job_of(command: str) -> str | None:
    address = parse_command_id(command)
    return None if address is None else address[0]


def _transaction_of(command: str) -> str | None:
    address = parse_id(command)
    return None if address is None else address.tx


async def _leave_connected(_master: str) -> None:
    """Without authentication, the broker cannot tell a master's connections apart: do nothing."""


async def _at_once(work: Callable[[], None]) -> None:
    work()
