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
from fleetfold_master.access.flood_response import Disconnect, FloodResponse
from fleetfold_master.access.signing_keys import SigningKeys
from fleetfold_master.cluster import CutOff
from fleetfold_master.events import NameTaken
from fleetfold_master.runtime.infrastructure import Infrastructure, listed_as
from fleetfold_master.runtime.periodic_loop import disconnect_ended

__all__ = ["Auth", "open_auth"]

log = structlog.get_logger(__name__)

DISCONNECT_S = 10.0


@dataclass(frozen=True, slots=True)
class Auth:
    """The authentication services.

    `drop` ends an identity's connections, `cut_off` those of a dead master, `cut_replaced` those of a node's process
    whose name another one has taken. `flood_response` is None if the broker runs without authentication, where nobody
    can be disconnected, and so is `broker`, the health of its stores.
    """

    access: AccessContainer
    drop: Disconnect
    cut_off: CutOff
    cut_replaced: Callable[[NameTaken], None]
    flood_response: FloodResponse | None = None
    broker: StoreHealth | None = None


async def open_auth(infra: Infrastructure, before: Callable[[AccessContainer], Awaitable[None]]) -> Auth:
    """Start answering the broker's auth callouts. `before` is awaited first, with the loaded access services."""
    access = await _open_access(infra)
    await before(access)
    if infra.setup.access.insecure:
        log.warning("master.INSECURE", meaning="whoever reaches the broker may say and hear everything")
        return Auth(access, _drop_nobody, _leave_connected, _leave_replaced)
    return await _guard(infra, access)


async def _open_access(infra: Infrastructure) -> AccessContainer:
    setup = infra.setup
    signing = await asyncio.to_thread(SigningKeys.load, setup.keys, os.environ, setup.clock)
    access = AccessContainer(
        infra.store, infra.registry, signing, setup.access, setup.subjects, setup.clock, infra.gateway.answers,
        setup.retention, setup.redact, look_again=infra.invalidation.look_again, publish=infra.events.publish,
        announce=infra.invalidation.announce,
    )  # fmt: skip
    infra.lifetime.on_close(access.close)
    await access.load()
    return access


async def _guard(infra: Infrastructure, access: AccessContainer) -> Auth:
    issuer, lifetime = Issuer(infra.keys.issuer), infra.lifetime
    callout = Callout(await infra.open_bus("auth"), issuer, infra.setup.subjects, access.authenticator.admit)
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

    async def cut_replaced(node: str) -> None:
        if dropped := await connections.drop_older(node):
            log.warning("node.replaced_process_cut_off", node=node, connections=dropped)
            await infra.topology.redeliver(node)  # what the other has received and not begun

    response = FloodResponse(infra.setup.limits, access.authenticator, access.audit, drop, lifetime.spawn)
    lifetime.repeat(DISCONNECT_S, partial(disconnect_ended, access, connections))
    return Auth(
        access,
        drop,
        cut_off,
        lambda event: lifetime.spawn(cut_replaced(event.node)),
        response,
        StoreHealth(servers, infra.clock),
    )


def _leave_replaced(_event: NameTaken) -> None:
    """Without authentication, connections cannot be attributed to an identity."""


async def _drop_nobody(_name: str) -> int:
    """Without authentication, connections cannot be attributed to an identity."""
    return 0


async def _leave_connected(_master: str) -> None:
    """Without authentication, the broker cannot tell a master's connections apart."""
