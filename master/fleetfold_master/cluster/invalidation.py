"""What each master keeps in memory of rows that all share: read again when another has changed them.

A change is told after its commit, and the one who made it waits until the others have read it, or for half a second. So
what an operator has changed holds everywhere when he has his answer. Every five seconds all of it is read once more,
for what a master did not hear.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from fleetfold_broker.background_tasks import Undisturbed
from fleetfold_broker.rpc.request_server import Request
from fleetfold_master.cluster.peer_messages import Changed, Heard, RoomName
from fleetfold_master.cluster.peers import Peers
from fleetfold_shared.messages import decode

__all__ = ["RELOAD_S", "CacheInvalidation"]

TOLD_S = 0.5
"""How long a change waits for a master that does not answer: one that hangs is dead after two seconds."""
RELOAD_S = 5.0

Reload = Callable[[str], Awaitable[object]]
"""Reads a room's rows again: the one of this key, or with "" all."""


class CacheInvalidation:
    """The rooms by name. `changed` is called by whoever has changed a row; without other masters it costs nothing."""

    def __init__(self, peers: Peers) -> None:
        self._peers = peers
        self._rooms: dict[RoomName, _Room] = {}
        self._had_others = False
        self._undisturbed = Undisturbed()

    @property
    def alone(self) -> bool:
        """Whether there is no other master."""
        return not self._peers.others

    def room(self, name: RoomName, reload: Reload) -> None:
        """Have a room's rows read by `reload`."""
        self._rooms[name] = _Room(reload)

    async def start(self) -> None:
        """Hear of what others change."""
        await self._peers.serve("changed", self._told)

    async def changed(self, name: RoomName, key: str = "") -> None:
        """A row is committed: return when the others have it, too."""
        if not self.alone:
            await self._peers.ask_all("changed", Changed(room=name, key=key), Heard, TOLD_S)

    async def reload(self) -> None:
        """A chore: read everything again, if there are other masters, or were the last time."""
        had_others, self._had_others = self._had_others, not self.alone
        if had_others or self._had_others:
            for name, room in self._rooms.items():
                if name != "cache":  # its answers are never stale: only an operator's word ends them
                    await room.read("")

    async def look_again(self) -> None:
        """Read anew who may do what, if there is another master: it may know of somebody whom nobody knows here."""
        if not self.alone:
            for name in ("sessions", "keys"):
                await self._rooms[name].read("")

    async def _told(self, request: Request) -> Heard:
        change = decode(request.data, Changed)
        await self._undisturbed.run(self._rooms[change.room].read(change.key))
        return Heard()


class _Room:
    """Many who want all of it at once share one reading: the first that began after they asked."""

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
