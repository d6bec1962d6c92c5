"""The ground that a master stands on: its database, its place among the masters, the bus, and the nodes it knows."""

from __future__ import annotations

import asyncio
import os
import ssl
from dataclasses import dataclass
from pathlib import Path

from fleetfold_broker.bus import Bus
from fleetfold_broker.gather import Gatherer
from fleetfold_broker.identity import BrokerKeys
from fleetfold_broker.seals import UNSEALED, MasterSeals, Seals
from fleetfold_broker.secretfile import read_or_create
from fleetfold_broker.subjects import Subjects
from fleetfold_broker.topology import Topology
from fleetfold_master.buses import Account, Buses
from fleetfold_master.life.span import Span
from fleetfold_master.masters import Membership
from fleetfold_master.nodes import Inflow, Presence, Registry
from fleetfold_master.search import Own
from fleetfold_master.service import Fleet
from fleetfold_master.store import Store
from fleetfold_master.store.nodes import Nodes
from fleetfold_shared import __version__
from fleetfold_shared.clock import Clock
from fleetfold_shared.config import (
    AccessConfig,
    AskConfig,
    CallbacksConfig,
    LimitsConfig,
    RetentionConfig,
    SearchConfig,
)
from fleetfold_shared.embedding import DEFAULT_EMBEDDER, load_embedder
from fleetfold_shared.ids import MASTER, new_id
from fleetfold_shared.redaction import Redactor

__all__ = ["Ground", "Setup", "listed_as", "open_ground"]


@dataclass(frozen=True, slots=True)
class Setup:
    """What a master was told, and the defaults of what it was not: the same in all its lives."""

    url: str
    subjects: Subjects
    data: Path
    database: str
    keys: Path
    heartbeat_s: float
    tls: ssl.SSLContext | None
    clock: Clock
    own: Own | None
    access: AccessConfig
    search: SearchConfig
    ask: AskConfig
    callbacks: CallbacksConfig
    retention: RetentionConfig
    redact: Redactor
    limits: LimitsConfig


@dataclass(frozen=True, slots=True)
class Ground:
    """The parts by name, for one life."""

    setup: Setup
    span: Span
    store: Store
    membership: Membership
    keys: BrokerKeys
    buses: Buses
    bus: Bus
    gatherer: Gatherer
    inflow: Inflow
    presence: Presence
    registry: Registry
    topology: Topology
    fleet: Fleet
    seals: Seals

    @property
    def clock(self) -> Clock:
        """The one that this master goes by."""
        return self.setup.clock

    async def another_bus(self, account: Account) -> Bus:
        """A connection for itself, until the end."""
        return await self.span.enter(await self.buses.open(account))


async def open_ground(setup: Setup, span: Span) -> Ground:
    """`Unavailable` without a broker, `InvalidInput` for a database it cannot use."""
    store = await Store.open(setup.database)
    span.at_end(store.close)
    membership = await _take_a_place(setup, span, store)
    keys = await asyncio.to_thread(BrokerKeys.load, setup.keys, os.environ)
    buses = Buses(
        setup.url, setup.subjects, keys=None if setup.access.insecure else keys, tls=setup.tls,
        name=listed_as(membership.id),
    )  # fmt: skip
    await buses.check()
    bus = await span.enter(await buses.open("fleet"))
    seals = UNSEALED if setup.access.insecure else MasterSeals(keys.issuer)
    gatherer = Gatherer(await span.enter(await buses.open("fleet")), seals=seals)
    await asyncio.to_thread(load_embedder, DEFAULT_EMBEDDER)
    presence = Presence(setup.clock, setup.heartbeat_s)
    inflow = Inflow(setup.limits, setup.clock)
    gatherer.on_gone, gatherer.on_junk = presence.gone, inflow.junk
    registry = Registry(Nodes(store), presence, setup.clock, __version__)
    await registry.load()
    topology = Topology(bus, setup.limits)
    fleet = Fleet(bus, gatherer, registry, presence, topology, inflow, setup.own, seals=seals, redact=setup.redact)
    return Ground(
        setup, span, store, membership, keys, buses, bus, gatherer, inflow, presence, registry, topology, fleet, seals
    )


async def _take_a_place(setup: Setup, span: Span, store: Store) -> Membership:
    """A place among the masters of this database, given up before the store is closed."""
    seat = await asyncio.to_thread(read_or_create, setup.data / "seat", lambda: new_id().encode())
    membership = Membership(store, setup.clock, seat.decode()[:32])
    await membership.join()
    span.at_end(membership.leave)
    membership.start()
    return membership


def listed_as(master: str) -> str:
    """What the broker calls the connections of a master."""
    return f"{MASTER}-{master}"
