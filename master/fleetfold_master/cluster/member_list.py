"""The list of masters: rows of the database, liveness as this master sees it, and how much work each owns."""

from __future__ import annotations

from fleetfold_master.cluster import master_rows
from fleetfold_master.cluster.dependency_health import Surroundings
from fleetfold_master.cluster.master_rows import StoredMaster
from fleetfold_master.cluster.membership import Membership
from fleetfold_master.store import Store
from fleetfold_master.store.fence import Fenced
from fleetfold_master.store.master_tables import LEFT
from fleetfold_shared.messages import MasterInfo, MasterState

__all__ = ["MemberList"]


class MemberList:
    """Combines the rows with liveness from `membership`. It only reads, so a hanging commit does not delay it."""

    def __init__(self, store: Store, membership: Membership, surroundings: Surroundings) -> None:
        self._store, self._membership, self._surroundings = store, membership, surroundings

    async def call(self) -> list[MasterInfo]:
        """List all masters, the oldest first. Raises `Fenced` if this master has lost its lease."""
        masters = await master_rows.read_all(self._store)
        if all(each.id != self._membership.id for each in masters):
            raise Fenced
        jobs, transactions = await master_rows.count_owned(self._store)
        return [self._info(each, jobs.get(each.id, 0), transactions.get(each.id, 0)) for each in masters]

    def _info(self, master: StoredMaster, jobs: int, transactions: int) -> MasterInfo:
        state = self._state(master)
        info = MasterInfo(
            id=master.id, instance_id=master.instance_id, seat=master.instance_id, host=master.host,
            pid=master.pid, started_at=master.started_at, state=state,
            silent_s=self._membership.silent_s(master.id) if state == "silent" else None,
            jobs=jobs, transactions=transactions,
        )  # fmt: skip
        return self._surroundings.described(info) if state == "answering" else info

    def _state(self, master: StoredMaster) -> MasterState:
        if master.id == self._membership.id:
            return "answering"
        if master.heartbeats == LEFT:
            return "left"
        return "alive" if self._membership.silent_s(master.id) is None else "silent"
