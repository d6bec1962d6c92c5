"""Invalidation of the masters' in-memory caches of shared rows, when another master has changed a row.

A change is published after its commit; `tell_peers`, a subscriber, has the peers reload. Whoever made the change waits
for them, for half a second at most, so a change by an operator holds on every master once the operator has the answer.
Every five seconds all caches are reloaded as well, for announcements that were lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from fleetfold_broker.rpc.pipeline import Call
from fleetfold_master.cluster.peer_messages import CacheName, Changed, Reloaded
from fleetfold_master.cluster.peers import Peers
from fleetfold_master.events import (
    CacheCleared,
    Event,
    JoinRequestsChanged,
    KeysChanged,
    NodeChanged,
    NodeJoined,
    NodeRemoved,
    Publish,
    SessionsChanged,
    SigningKeyRotated,
)
from fleetfold_shared.concurrency import BackgroundTasks, UncancelledTasks
from fleetfold_shared.messages import decode

__all__ = ["RELOAD_S", "SHARED_CHANGES", "CacheInvalidation", "Reload"]

TOLD_S = 0.5
"""How long, in seconds, a change waits for a peer that does not answer; a hanging peer is dead after two seconds."""
RELOAD_S = 5.0

SHARED_CHANGES: Final[Mapping[type[Event], CacheName]] = {
    NodeJoined: "nodes", NodeChanged: "nodes", NodeRemoved: "nodes", SessionsChanged: "sessions", KeysChanged: "keys",
    JoinRequestsChanged: "join_requests", SigningKeyRotated: "signing", CacheCleared: "cache",
}  # fmt: skip
"""The events that tell of a change of shared rows, and the cache of these rows."""

Reload = Callable[[str], Awaitable[object]]
"""Reloads a cache: the row of this key, or all rows for ""."""


class CacheInvalidation:
    """The caches by name, and the announcements of their changes. Without peers a change costs nothing."""

    def __init__(self, peers: Peers, publish: Publish) -> None:
        self._peers, self._publish = peers, publish
        self._caches: dict[CacheName, _Cache] = {}
        self._had_others = False
        self._uncancelled = UncancelledTasks()
        self._telling = BackgroundTasks()

    @property
    def alone(self) -> bool:
        """Whether there is no other master."""
        return not self._peers.others

    async def serve(self, caches: Mapping[CacheName, Reload]) -> None:
        """Reload these caches from now on when a peer has changed their rows."""
        self._caches = {name: _Cache(reload) for name, reload in caches.items()}
        await self._peers.serve("changed", self._on_changed)

    def tell_peers(self, event: Event) -> None:
        """A subscriber of `SHARED_CHANGES`: have the peers reload, in the background."""
        if not self.alone:
            key = event.node if isinstance(event, NodeJoined | NodeChanged | NodeRemoved) else ""
            change = Changed(cache=SHARED_CHANGES[type(event)], key=key)
            self._telling.spawn(self._peers.ask_all("changed", change, Reloaded, TOLD_S))

    async def announce(self, event: Event) -> None:
        """Publish a committed change, and return when the peers have reloaded, or after `TOLD_S`.

        The wait is part of the call, not left to the subscriber: the caller's answer comes after it.
        """
        self._publish(event)
        await self._telling.join()

    async def stop(self) -> None:
        """Stop telling the peers."""
        await self._telling.cancel()

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

    async def _on_changed(self, call: Call) -> Reloaded:
        change = decode(call.body, Changed)
        await self._uncancelled.run(self._caches[change.cache].read(change.key))
        return Reloaded()


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
