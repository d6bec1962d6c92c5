"""All that one master needs to work with others on one database, put together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from fleetfold_master.access.container import AccessContainer
from fleetfold_master.api import NodeGateway
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
    """The parts by name. The owner calls `start`, `share` when the rooms are there, and `stop`."""

    def __init__(self, peers: Peers, fleet: NodeGateway, jobs: Jobs, transactions: Transactions) -> None:
        self._peers, self._fleet, self._jobs, self._transactions = peers, fleet, jobs, transactions
        self.results = ResultRouting(((_job_of, jobs), (_transaction_of, transactions)), peers, fleet.learn)
        self.sharing = CacheInvalidation(peers)
        self.forwarding = OwnerRouting({"jobs": jobs, "tx": transactions}, peers)
        self.cut_off: Callable[[str], Awaitable[None]] = _leave_connected
        """Ends the connections of a dead master: while it only hangs, the broker still gives it a share of all."""

    async def start(self) -> None:
        """Answer the other masters."""
        self._fleet.on_rose = self._tell_epochs
        await self._peers.hear("rose", Rose, self._rose)
        for part in (self.results, self.sharing, self.forwarding):
            await part.start()

    def share(self, registry: Registry, access: AccessContainer, cache: Cache) -> None:
        """Have what is kept in memory of shared rows read again when another master changes them; tell it of ours."""
        sharing, fleet = self.sharing, self._fleet
        fleet.alone = lambda: sharing.alone
        sharing.room("nodes", fleet.reload)
        registry.on_change = partial(sharing.changed, "nodes")
        sharing.room("sessions", lambda _: access.sessions.load())
        access.sessions.on_change = partial(sharing.changed, "sessions")
        sharing.room("keys", lambda _: access.keys.load())
        access.keys.on_change = partial(sharing.changed, "keys")
        sharing.room("petitions", lambda _: access.petitions.load())
        access.petitions.on_change = partial(sharing.changed, "petitions")
        sharing.room("signing", lambda _: asyncio.to_thread(access.signing.refresh))
        access.signing.on_change = partial(sharing.changed, "signing")
        sharing.room("cache", lambda _: _at_once(cache.forget))
        cache.on_clear = partial(sharing.changed, "cache")

    async def drive_on(self, taken: Taken) -> None:
        """Go on with what a dead master drove. Results that it had been given, and not handled, come to the living."""
        await self._transactions.recover(taken.transactions)
        await self._jobs.recover(taken.jobs)
        await self._jobs.sweep()
        try:
            await self.cut_off(taken.dead)
            await self._fleet.redeliver_results()
        except FleetfoldError as error:  # then they come when the broker has waited for their acks in vain
            log.warning("results.not_redelivered", reason=error.message)

    async def stop(self) -> None:
        """Leave the others alone."""
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
    """A broker that asks nobody who he is cannot tell whom to part with."""


async def _at_once(work: Callable[[], None]) -> None:
    work()
