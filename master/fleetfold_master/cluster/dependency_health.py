"""What a master depends on, and how it is: the disk of its data, the broker's stores, its database's pages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from fleetfold_broker.disk_space import DiskSpace
from fleetfold_broker.disk_watch import DiskWatch
from fleetfold_broker.identity.store_health import StoreHealth
from fleetfold_master.store import Store
from fleetfold_shared.messages import MasterInfo

__all__ = ["Surroundings"]


class Surroundings:
    """`look` reads the disk and the broker anew. `broker` is None without a system account, `old` says since when
    and why the database is known to be an old copy.
    """

    def __init__(
        self, data: Path, store: Store, broker: StoreHealth | None,
        old: Callable[[], tuple[float, str] | None] = lambda: None,
    ) -> None:  # fmt: skip
        self._old = old
        self._disk = DiskWatch("master", lambda: DiskSpace.of(data), "it can accept no work")
        self._store, self._broker = store, broker

    async def look(self) -> None:
        """Read the disk's space, and ask the broker's servers."""
        self._disk.look()
        if self._broker is not None:
            await self._broker.look()

    def described(self, me: MasterInfo) -> MasterInfo:
        """Return this master's description with them."""
        broker = self._broker
        since, restored = self._old() or (None, None)
        return replace(
            me, disk=self._disk.said, database=self._store.damage or "ok",
            broker=None if broker is None else broker.failure or "ok", broker_since=broker and broker.since,
            restored=restored, restored_since=since,
        )  # fmt: skip
