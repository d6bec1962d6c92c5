"""The infrastructure of a master: database, cluster membership, bus connections, and the registry of nodes."""

from __future__ import annotations

import asyncio
import os
import ssl
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fleetfold_broker.bus import Bus
from fleetfold_broker.data_version import stamp_version
from fleetfold_broker.identity import BrokerKeys
from fleetfold_broker.identity.message_seals import UNSEALED, MasterSeals, Seals
from fleetfold_broker.jetstream.topology import Topology
from fleetfold_broker.rpc.scatter import ScatterClient
from fleetfold_broker.secret_file import read_or_create
from fleetfold_broker.subjects import Subjects
from fleetfold_master.access.signing_keys import FILE as SIGNING
from fleetfold_master.api import NodeGateway
from fleetfold_master.cluster import CacheInvalidation, EpochSharing, Membership, Peers
from fleetfold_master.dead_letters import DeadLetters
from fleetfold_master.events import EventHub
from fleetfold_master.nodes import Inflow, Presence, Refuses, Registry, ReplacedProcesses
from fleetfold_master.nodes.gateway_interfaces import GatewayHooks, NodeChannel
from fleetfold_master.nodes.node_rows import NodeRows
from fleetfold_master.recovery.open_work import read_open_work
from fleetfold_master.runtime.bus_connections import Account, Connections
from fleetfold_master.runtime.lifetime import Lifetime
from fleetfold_master.search import OwnNode
from fleetfold_master.store import Store
from fleetfold_shared import __version__
from fleetfold_shared.clock import Clock
from fleetfold_shared.config import (
    AccessConfig,
    AnsweringConfig,
    CallbacksConfig,
    LimitsConfig,
    RetentionConfig,
    SearchConfig,
)
from fleetfold_shared.ids import MASTER, new_id
from fleetfold_shared.redaction import Redactor
from fleetfold_shared.text.embedding import DEFAULT_EMBEDDER, load_embedder

__all__ = ["Infrastructure", "MasterSettings", "listed_as", "open_infrastructure"]

INSTANCE_ID, _FORMER_INSTANCE_ID = "instance_id", "seat"
"""The file with the id of a data directory, and its name in earlier versions."""
"""File with the identity of a master's data directory."""


@dataclass(frozen=True, slots=True)
class MasterSettings:
    """The settings of a master, with defaults filled in. They stay the same across restarts by the supervisor, but for
    `new`, the database may begin empty, and `restored`, it is an old copy: those are of the first start only.
    """

    url: str
    subjects: Subjects
    data: Path
    database: str
    keys: Path
    heartbeat_s: float
    tls: ssl.SSLContext | None
    clock: Clock
    own: OwnNode | None
    access: AccessConfig
    search: SearchConfig
    ask: AnsweringConfig
    callbacks: CallbacksConfig
    retention: RetentionConfig
    redact: Redactor
    limits: LimitsConfig
    new: bool
    restored: bool
    check_every_s: float


@dataclass(frozen=True, slots=True)
class Infrastructure:
    """The infrastructure of one lifetime."""

    setup: MasterSettings
    lifetime: Lifetime
    events: EventHub
    store: Store
    membership: Membership
    keys: BrokerKeys
    connections: Connections
    bus: Bus
    peers: Peers
    invalidation: CacheInvalidation
    epoch_sharing: EpochSharing
    scatter: ScatterClient
    replaced: ReplacedProcesses
    inflow: Inflow
    presence: Presence
    registry: Registry
    topology: Topology
    dead_letters: DeadLetters
    gateway: NodeGateway
    seals: Seals

    @property
    def clock(self) -> Clock:
        """The clock that was passed in with the settings."""
        return self.setup.clock

    async def open_bus(self, account: Account) -> Bus:
        """Open a further connection to `account`; it is closed with the lifetime."""
        return await self.lifetime.enter(await self.connections.open(account))


async def open_infrastructure(setup: MasterSettings, lifetime: Lifetime) -> Infrastructure:
    """Open the infrastructure. Raises `Unavailable` without a broker, `InvalidInput` for an unusable database,
    `Conflict` where a later version has been at work."""
    events = EventHub()  # first: whatever happens from here on is delivered when the hub is opened
    await asyncio.to_thread(stamp_version, setup.data)
    store = await Store.open(setup.database, traces=_traces(setup), new=setup.new)
    lifetime.on_close(store.close)
    membership = await _join_cluster(setup, lifetime, store, events)
    keys = await asyncio.to_thread(BrokerKeys.load, setup.keys, os.environ)
    connections = await _check_connections(setup, keys, membership)
    bus = await lifetime.enter(await connections.open("fleet"))
    peers = Peers(bus, membership)
    invalidation, epoch_sharing = CacheInvalidation(peers, events.publish), EpochSharing(peers)
    lifetime.on_close(invalidation.stop)
    seals = UNSEALED if setup.access.insecure else MasterSeals(keys.issuer)
    presence = Presence(setup.clock, setup.heartbeat_s, events.publish)
    inflow = Inflow(setup.limits, setup.clock, events.publish)
    await asyncio.to_thread(load_embedder, DEFAULT_EMBEDDER)
    registry = Registry(
        NodeRows(store), presence, setup.clock, __version__, publish=events.publish, announce=invalidation.announce
    )
    await registry.load()
    replaced = ReplacedProcesses(registry.incarnation, events.publish)
    asking = await lifetime.enter(await connections.open("fleet"))
    scatter = ScatterClient(
        asking, presence.gone, on_unexpected=inflow.junk, seals=seals,
        is_replaced=partial(_is_replaced, replaced.refuses),
    )  # fmt: skip
    topology = Topology(bus, setup.limits)
    dead_letters = DeadLetters(store, setup.clock, membership.id, events.publish)
    hooks = GatewayHooks(
        before_removal=dead_letters.of_removed_node, tell_epochs=epoch_sharing.tell,
        alone=lambda: invalidation.alone, publish=events.publish, refuses=replaced.refuses,
        mark=lambda: membership.mark, open_on=partial(read_open_work, store),
    )  # fmt: skip
    channel = NodeChannel(bus, scatter, topology, seals)
    gateway = NodeGateway(channel, registry, presence, inflow, setup.own, hooks)
    return Infrastructure(
        setup=setup, lifetime=lifetime, events=events, store=store, membership=membership, keys=keys,
        connections=connections, bus=bus, peers=peers, invalidation=invalidation, epoch_sharing=epoch_sharing,
        scatter=scatter, replaced=replaced, inflow=inflow, presence=presence, registry=registry, topology=topology,
        dead_letters=dead_letters, gateway=gateway, seals=seals,
    )  # fmt: skip


def _is_replaced(refuses: Refuses, node: str, incarnation: str) -> bool:
    return refuses(node, incarnation, "answer")


def _traces(setup: MasterSettings) -> list[str]:
    """Return the files that only a master with a database makes."""
    return [
        str(file)
        for file in (*(setup.data / name for name in (INSTANCE_ID, _FORMER_INSTANCE_ID)), setup.keys / SIGNING)
        if file.exists()
    ]


def _instance_id(data: Path) -> str:
    """Return the id of the data directory; it is created with its first use."""
    file, former = data / INSTANCE_ID, data / _FORMER_INSTANCE_ID
    if former.exists() and not file.exists():
        former.rename(file)
    return read_or_create(file, lambda: new_id().encode()).decode()[:32]


async def _join_cluster(setup: MasterSettings, lifetime: Lifetime, store: Store, events: EventHub) -> Membership:
    """Join the masters of this database. The membership is left before the store is closed."""
    instance_id = await asyncio.to_thread(_instance_id, setup.data)
    membership = Membership(store, setup.clock, instance_id, events.publish)
    await membership.join()
    lifetime.on_close(membership.leave)
    membership.start()
    return membership


async def _check_connections(setup: MasterSettings, keys: BrokerKeys, membership: Membership) -> Connections:
    connections = Connections(
        setup.url, setup.subjects, keys=None if setup.access.insecure else keys, tls=setup.tls,
        name=listed_as(membership.id),
    )  # fmt: skip
    await connections.check()
    return connections


def listed_as(master: str) -> str:
    """The name of a master's connections at the broker."""
    return f"{MASTER}-{master}"
