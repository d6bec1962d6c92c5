"""Wiring of authentication: the broker's auth callout, and disconnecting identities whose access has ended."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

import structlog

from fleetfold_broker.identity.callout import Callout
from fleetfold_broker.identity.connection_monitor import ConnectionMonitor
from fleetfold_broker.identity.store_health import StoreHealth
from fleetfold_broker.identity.user_jwt import Issuer
from fleetfold_master.access.container import AccessContainer
from fleetfold_master.access.signing_keys import SigningKeys
from fleetfold_master.api import Drop
from fleetfold_master.runtime.infrastructure import Infrastructure, listed_as
from fleetfold_master.runtime.periodic_tasks import disconnect_ended

__all__ = ["Auth", "CutOff", "open_auth"]

log = structlog.get_logger(__name__)

DISCONNECT_S = 10.0

CutOff = Callable[[str], Awaitable[None]]
"""Ends the connections of the master with this id."""


@dataclass(frozen=True, slots=True)
class Auth:
    """The authentication services.

    `drop` ends an identity's connections and returns their number. `cut_off` is None if the broker runs without
    authentication, and so is `broker`, the health of its stores.
    """

    access: AccessContainer
    drop: Drop
    cut_off: CutOff | None = None
    broker: StoreHealth | None = None


async def open_auth(infra: Infrastructure, before: Callable[[AccessContainer], Awaitable[None]]) -> Auth:
    """Start answering the broker's auth callouts. `before` is awaited first, with the loaded access services."""
    access = await _open_access(infra)
    await before(access)
    if infra.setup.access.insecure:
        log.warning("master.INSECURE", meaning="whoever reaches the broker may say and hear everything")
        infra.inflow.on_flood = lambda name: log.warning("identity.flooded", name=name)
        return Auth(access, _drop_nobody)
    return await _guard(infra, access)


async def _open_access(infra: Infrastructure) -> AccessContainer:
    setup = infra.setup
    signing = await asyncio.to_thread(SigningKeys.load, setup.keys, os.environ, setup.clock)
    access = AccessContainer(
        infra.store, infra.registry, signing, setup.access, setup.subjects, setup.clock, infra.fleet.answers,
        setup.retention, setup.redact,
    )  # fmt: skip
    infra.lifetime.on_close(access.close)
    await access.load()
    return access


async def _guard(infra: Infrastructure, access: AccessContainer) -> Auth:
    issuer, lifetime = Issuer(infra.keys.issuer), infra.lifetime
    callout = Callout(await infra.open_bus("auth"), issuer, infra.setup.subjects, access.doorkeeper.admit)
    lifetime.on_close(callout.stop)
    await callout.start()
    servers = await infra.open_bus("sys")
    connections = ConnectionMonitor(servers)

    async def drop(name: str) -> int:
        dropped = await connections.drop(name)
        infra.presence.gone(name)
        return dropped

    async def cut_off(master: str) -> None:
        dropped = await connections.cut_off(listed_as(master))
        log.info("master.cut_off", master=master, connections=dropped)

    async def end_flood(name: str) -> None:
        """Disconnect a flooding identity, and refuse its logins for `limits.flood_shut_out_s` seconds."""
        limits = infra.setup.limits
        access.doorkeeper.shut_out(name, limits.flood_shut_out_s)
        reason = f"over {limits.flood_per_s:,} messages a second; not let in for {limits.flood_shut_out_s:g} s"
        access.audit.note(
            name, "bus.flood", "refused", role="child", node=name, reason=reason, source=access.doorkeeper.where(name)
        )
        log.warning("identity.flooded", name=name, connections=await drop(name), reason=reason)

    infra.inflow.on_flood = lambda name: lifetime.spawn(end_flood(name))
    access.sessions.on_theft = lambda node: lifetime.spawn(drop(node))
    lifetime.repeat(DISCONNECT_S, partial(disconnect_ended, access, connections))
    return Auth(access, drop, cut_off, StoreHealth(servers, infra.clock))


async def _drop_nobody(_name: str) -> int:
    """Without authentication, connections cannot be attributed to an identity."""
    return 0
