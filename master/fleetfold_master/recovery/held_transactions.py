"""Held transactions: those of an earlier master that do not go on before their nodes were asked what they know.

In a fleet that has lost nothing that takes as long as one request. A node that does not answer holds its transactions
for `PATIENCE_S` only, unless the database is known to be an old copy.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

import structlog

from fleetfold_master.recovery import restoration_rows as rows
from fleetfold_master.store.database import Store
from fleetfold_master.transactions.rows import read_unfinished_nodes
from fleetfold_shared.errors import Unavailable
from fleetfold_shared.messages import HeldTransaction, RecalledCommand

__all__ = ["PATIENCE_S", "HeldTransactions", "Resumable"]

log = structlog.get_logger(__name__)

PATIENCE_S = 3.0
"""Seconds for which a start waits for nodes that are not there yet."""


class Resumable(Protocol):
    """The transactions of this master."""

    async def recover(
        self, keys: Sequence[str] | None = None, recalled: Mapping[str, Sequence[RecalledCommand]] | None = None
    ) -> None: ...

    async def park_unasked(self, waiting: Mapping[str, Collection[str]], by: str) -> None: ...


class HeldTransactions:
    """The transactions of `owner` that are held, each with its nodes. `is_old`: the database is known to be an old
    copy."""

    def __init__(self, store: Store, owner: str) -> None:
        self._store, self._owner = store, owner
        self._held: dict[str, set[str]] = {}
        self._asked: Collection[str] = ()
        self.is_old = False

    def known_as_old(self) -> None:
        """From now on hold what waits for a node, however long that takes."""
        self.is_old = True

    async def hold(self, keys: Collection[str] | None = None) -> None:
        """Hold all unfinished transactions of this master, or those of them in `keys`."""
        found = await read_unfinished_nodes(self._store, self._owner)
        self._held |= {key: nodes for key, nodes in found.items() if keys is None or key in keys}

    async def go_on(self, transactions: Resumable, asked: Collection[str], *, all_of_them: bool = False) -> None:
        """Resume those whose nodes were all `asked`, or all."""
        self._asked = asked
        ready = [key for key, nodes in self._held.items() if all_of_them or nodes <= set(asked)]
        await self._resume(transactions, ready)

    async def give_up(self, transactions: Resumable, asked: Collection[str], by: str) -> list[str]:
        """Resume those whose nodes were all asked, and park the others. Returns the parked ones."""
        await self.go_on(transactions, asked)
        waiting = {key: nodes - set(asked) for key, nodes in self._held.items()}
        self._held.clear()
        if waiting:
            await transactions.park_unasked(waiting, by)
        return sorted(waiting)

    async def release(self, transactions: Resumable, key: str) -> None:
        """Resume one that somebody asks for. Raises `Unavailable` if it must wait."""
        if (nodes := self._held.get(key)) is None:
            return
        if self.is_old and (waits_for := sorted(nodes - set(self._asked))):
            raise Unavailable(
                f"id: {key!r} is held, because the masters' database is an old copy and {', '.join(waits_for)} was not"
                " asked yet what has happened since; see `fleetfold masters reconcile`",
                field="id",
            )
        await self._resume(transactions, [key])

    def waiting(self, asked: Collection[str]) -> list[HeldTransaction]:
        """What is held, with the nodes that it waits for."""
        left = ((key, sorted(nodes - set(asked))) for key, nodes in sorted(self._held.items()))
        return [HeldTransaction(id=key, nodes=nodes) for key, nodes in left if nodes]

    async def _resume(self, transactions: Resumable, keys: Sequence[str]) -> None:
        recalled = await rows.read_facts(self._store, keys) if self.is_old else {}
        if keys:
            await transactions.recover(keys, recalled)
        for key in keys:
            self._held.pop(key, None)
