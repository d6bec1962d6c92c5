"""The door: who is let in, and how those are parted with who are not any more."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

import structlog

from fleetfold_broker.identity.callout import Callout
from fleetfold_broker.identity.connection_monitor import ConnectionMonitor
from fleetfold_broker.identity.user_jwt import Issuer
from fleetfold_master.access.container import AccessContainer
from fleetfold_master.access.signing_keys import SigningKeys
from fleetfold_master.api import Drop
from fleetfold_master.runtime.infrastructure import Infrastructure, listed_as
from fleetfold_master.runtime.periodic_tasks import turn_out

__all__ = ["Auth", "CutOff", "open_auth"]

log = structlog.get_logger(__name__)

TURN_OUT_S = 10.0

CutOff = Callable[[str], Awaitable[None]]
"""Ends the connections of a dead master."""


@dataclass(frozen=True, slots=True)
class Auth:
    """`drop` ends an identity's connections and says how many; `cut_off` is absent where the broker asks nobody."""

    access: AccessContainer
    drop: Drop
    cut_off: CutOff | None = None


async def open_auth(ground: Infrastructure, before: Callable[[AccessContainer], Awaitable[None]]) -> Auth:
    """From now on the broker's question who is connecting is answered; `before` that, `before` is called."""
    access = await _open_access(ground)
    await before(access)
    if ground.setup.access.insecure:
        log.warning("master.INSECURE", meaning="whoever reaches the broker may say and hear everything")
        ground.inflow.on_flood = lambda name: log.warning("identity.flooded", name=name)
        return Auth(access, _drop_nobody)
    return await _guard(ground, access)


async def _open_access(ground: Infrastructure) -> AccessContainer:
    setup = ground.setup
    signing = await asyncio.to_thread(SigningKeys.load, setup.keys, os.environ, setup.clock)
    access = AccessContainer(
        ground.store, ground.registry, signing, setup.access, setup.subjects, setup.clock, ground.fleet.answers,
        setup.retention, setup.redact,
    )  # fmt: skip
    ground.span.at_end(access.close)
    await access.load()
    return access


async def _guard(ground: Infrastructure, access: AccessContainer) -> Auth:
    issuer, span = Issuer(ground.keys.issuer), ground.span
    callout = Callout(await ground.another_bus("auth"), issuer, ground.setup.subjects, access.doorkeeper.admit)
    span.at_end(callout.stop)
    await callout.start()
    connections = ConnectionMonitor(await ground.another_bus("sys"))

    async def drop(name: str) -> int:
        dropped = await connections.drop(name)
        ground.presence.gone(name)
        return dropped

    async def cut_off(master: str) -> None:
        dropped = await connections.cut_off(listed_as(master))
        log.info("master.cut_off", master=master, connections=dropped)

    async def end_flood(name: str) -> None:
        """Disconnect it, and let it in again when it has had time to come to its senses."""
        limits = ground.setup.limits
        access.doorkeeper.shut_out(name, limits.flood_shut_out_s)
        reason = f"over {limits.flood_per_s:,} messages a second; not let in for {limits.flood_shut_out_s:g} s"
        access.audit.note(
            name, "bus.flood", "refused", role="child", node=name, reason=reason, source=access.doorkeeper.where(name)
        )
        log.warning("identity.flooded", name=name, connections=await drop(name), reason=reason)

    ground.inflow.on_flood = lambda name: span.beside(end_flood(name))
    access.sessions.on_theft = lambda node: span.beside(drop(node))
    span.again(TURN_OUT_S, partial(turn_out, access, connections))
    return Auth(access, drop, cut_off)


async def _drop_nobody(_name: str) -> int:
    """Without identities, nobody can be told from another."""
    return 0
