"""Breaks a promise on purpose, in each process that finds this on its path: `$FLEETFOLD_MUTANT` names which.

`bench/chaos.py --mutant NAME` must find it out. Python imports a module of this name at its start. The same goes for a
clock that is to be moved, which is no defect of the product: see `clock_offset`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any

from bench.mutants.clock_offset import CLOCK, install

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
    from fleetfold_child.commands.attempt_runner import Runner
    from fleetfold_child.ledger.ledger import Ledger
    from fleetfold_child.ledger.node_database import Transaction

    commit, finishing, run = Transaction.commit, Ledger.finishing, Runner.run
    told: dict[str, asyncio.Future[Any]] = {}

    async def slow_commit(self: Any, last: Any) -> Any:
        await asyncio.sleep(ANSWERED_EARLY_S)
        return await commit(self, last)

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


def blind_compensation() -> None:
    """A compensation is decided by the ledger alone: what the masters know of its forward command is not heeded."""
    from msgspec.structs import replace

    from fleetfold_child.ledger.ledger import Ledger

    admit = Ledger.admit

    async def unknowing(self: Any, command: Any, plan: Any) -> Any:
        return await admit(self, replace(command, forward=None), plan)

    Ledger.admit = unknowing  # type: ignore[method-assign]


def forget_by_clock() -> None:
    """A ledger forgets what ended long ago by its own clock, whether or not the masters have settled it."""
    from fleetfold_child.ledger import confirmations

    def all_old(connection: Any, before: float) -> list[str]:
        found = connection.execute("SELECT id FROM fleetfold_command WHERE finished_at < ?", (before,))
        return [command_id for (command_id,) in found]

    def forget(connection: Any, command_ids: Any) -> None:
        connection.executemany("DELETE FROM fleetfold_command WHERE id = ?", [(each,) for each in command_ids])

    confirmations.find_forgettable = all_old
    confirmations.forget = forget


def no_incarnation() -> None:
    """A node's answers and results do not say which process gave them, so those of a replaced one count."""
    from fleetfold_broker.rpc import scatter_responder
    from fleetfold_child.commands.result_publisher import ResultPublisher
    from fleetfold_child.node import node

    begin, serve = ResultPublisher.__init__, scatter_responder.serve_node

    def anonymous(self: Any, batches: Any, ledger: Any, _incarnation: str, *more: Any) -> None:
        begin(self, batches, ledger, "", *more)

    async def serve_anonymously(service: Any, bus: Any, name: str, handlers: Any, _incarnation: str = "") -> None:
        await serve(service, bus, name, handlers)

    ResultPublisher.__init__ = anonymous  # type: ignore[method-assign,assignment]
    node.serve_node = serve_anonymously  # type: ignore[attr-defined,assignment]


MUTANTS: dict[str, Callable[[], None]] = {
    "no-tombstone": no_tombstone, "early-answer": early_answer, "no-fence": no_fence,
    "blind-compensation": blind_compensation, "forget-by-clock": forget_by_clock, "no-incarnation": no_incarnation,
}  # fmt: skip

if (name := os.environ.get("FLEETFOLD_MUTANT")) is not None:
    MUTANTS[name]()
if CLOCK in os.environ:
    install()
