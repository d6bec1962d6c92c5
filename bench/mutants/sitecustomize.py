"""Breaks a promise on purpose, in each process that finds this on its path: `$FLEETFOLD_MUTANT` names which.

`bench/chaos.py --mutant NAME` must find it out. Python imports a module of this name at its start.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any

__all__ = ["MUTANTS"]

ANSWERED_EARLY_S = 0.25
NEWEST_EPOCH = 1_000_000


def no_tombstone() -> None:
    """A compensation of a command that never came leaves no trace, so the command still runs when it comes."""
    from fleetfold_child.ledger.ledger import Ledger

    seal = Ledger._seal  # noqa: SLF001 (what is broken is private)

    def forgetful(self: Any, connection: Any, admission: Any) -> None:
        if admission.seal is None or not admission.seal.tombstone:
            seal(self, connection, admission)

    Ledger._seal = forgetful  # type: ignore[method-assign]  # noqa: SLF001 (what is broken is private)


def early_answer() -> None:
    """A transactional action's result is told, and its command acked, a while before the effect is committed."""
    from fleetfold_child.commands.runner import Runner
    from fleetfold_child.ledger.ledger import Ledger
    from fleetfold_child.ledger.node_database import Transaction

    commit, finishing, run = Transaction.commit, Ledger.finishing, Runner.run
    told: dict[str, asyncio.Future[Any]] = {}

    async def slow_commit(self: Any, last: Any) -> None:
        await asyncio.sleep(ANSWERED_EARLY_S)
        await commit(self, last)

    def telling(self: Any, result: Any, **more: Any) -> Any:
        if (future := told.get(result.id)) is not None and not future.done():
            future.set_result(result)
        return finishing(self, result, **more)

    async def hasty(self: Any, action: Any, command: Any, *more: Any) -> Any:
        future = told[command.id] = asyncio.get_running_loop().create_future()
        whole = asyncio.ensure_future(run(self, action, command, *more))
        await asyncio.wait([whole, future], return_when=asyncio.FIRST_COMPLETED)
        return future.result() if future.done() else await whole

    Transaction.commit = slow_commit  # type: ignore[method-assign]
    Ledger.finishing = telling  # type: ignore[method-assign]
    Runner.run = hasty  # type: ignore[method-assign,assignment]


def no_fence() -> None:
    """A master that was taken for dead goes on writing when it wakes up, and nodes heed what it still says."""
    from msgspec.structs import replace

    from fleetfold_child.ledger.ledger import Ledger
    from fleetfold_master.store.fence import Fence

    admit, begin = Ledger.admit, Fence.begin

    async def heeding(self: Any, command: Any, plan: Any) -> Any:
        return await admit(self, replace(command, epoch=NEWEST_EPOCH), plan)

    def unlooked(self: Any, connection: Any) -> None:
        held, self._master = self._master, None
        try:
            begin(self, connection)
        finally:
            self._master = held

    Ledger.admit = heeding  # type: ignore[method-assign]
    Fence.begin = unlooked  # type: ignore[method-assign]


MUTANTS: dict[str, Callable[[], None]] = {
    "no-tombstone": no_tombstone, "early-answer": early_answer, "no-fence": no_fence,
}  # fmt: skip

if (name := os.environ.get("FLEETFOLD_MUTANT")) is not None:
    MUTANTS[name]()
