"""Invalidation of the masters' in-memory caches of shared rows, when another master has changed a row.

A change is announced after its commit, and the announcing call returns when the peers have reloaded, or after half a
second. So a change by an operator holds on every master once the operator has the answer. Every five seconds all caches
are reloaded as well, for announcements that were lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from fleetfold_broker.rpc.pipeline import Call
from fleetfold_master.cluster.peer_messages import Changed, Heard, RoomName
from fleetfold_master.cluster.peers import Peers
from fleetfold_shared.concurrency import UncancelledTasks
from fleetfold_shared.messages import decode

__all__ = ["RELOAD_S", "CacheInvalidation"]

TOLD_S = 0.5
"""How long, in seconds, a change waits for a peer that does not answer; a hanging peer is dead after two seconds."""
RELOAD_S = 5.0

Reload = Callable[[str], Awaitable[object]]
"""Reloads a cache: the row of this key, or all rows for ""."""


class CacheInvalidation:
    """The caches by name. `changed` is called after each commit of a shared row; without peers it costs nothing."""

    def __init__(self, peers: Peers) -> None:
        self._peers = peers
        self._caches: dict[RoomName, _Cache] = {}
        self._had_others = False
        self._uncancelled = UncancelledTasks()

    @property
    def alone(self) -> bool:
        """Whether there is no other master."""
        return not self._peers.others

    def register(self, name: RoomName, reload: Reload) -> None:
        """Register a cache under `name`; `reload` reads its rows again."""
        self._caches[name] = _Cache(reload)

    async def start(self) -> None:
        """Subscribe to the peers' changes."""
        await self._peers.serve("changed", self._told)

    async def changed(self, name: RoomName, key: str = "") -> None:
        """Announce a committed change, and return when the peers have reloaded, or after `TOLD_S`."""
        if not self.alone:
            await self._peers.ask_all("changed", Changed(room=name, key=key), Heard, TOLD_S)

    async def reload(self) -> None:
        """Reload everything, if there are peers now or were at the last call. A periodic task."""
        had_others, self._had_others = self._had_others, not self.alone
        if had_others or self._had_others:
            for name, cache in self._caches.items():
                if name != "cache":  # its answers are never stale: only an operator's command clears it
                    await cache.read("")

    async def look_again(self) -> None:
        """Reload identities and permissions if there are peers: one of them may have admitted a caller unknown here."""
        if not self.alone:
            for name in ("sessions", "keys"):
                await self._caches[name].read("")

    async def _told(self, call: Call) -> Heard:
        change = decode(call.body, Changed)
        await self._uncancelled.run(self._caches[change.room].read(change.key))
        return Heard()


class _Cache:
    """A cache's reload. Concurrent calls for all rows share the first reload that begins after they were made."""

    def __init__(self, reload: Reload) -> None:
        self._reload = reload
        self._reading = asyncio.Lock()
        self._begun = 0

    async def read(self, key: str) -> None:
        if key:
            await self._reload(key)
            return
        begun = self._begun
        async with self._reading:
            if self._begun == begun:
                self._begun += 1
                try:
                    await self._reload("")
                except BaseException:
                    self._begun -= 1
                    raise
