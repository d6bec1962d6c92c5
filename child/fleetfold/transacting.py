"""What a `Client` asks about transactions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from fleetfold.caller import Caller, wait_ms
from fleetfold_shared.ids import new_id
from fleetfold_shared.messages import (
    Callback,
    StepSpec,
    Transact,
    TransactionCancel,
    TransactionGet,
    TransactionList,
    TransactionListed,
    TransactionResolve,
    TransactionRetry,
    TransactionSkip,
    TransactionState,
    TransactionView,
    TransactionWait,
)

__all__ = ["TransactionCalls"]


class TransactionCalls(Caller):
    """Transactions."""

    async def transact(
        self,
        steps: Sequence[StepSpec],
        *,
        name: str = "",
        wait: bool = True,
        timeout_s: float = 300.0,
        id: str | None = None,  # noqa: A002
        within_s: float | None = None,
        callback: Callback | None = None,
    ) -> TransactionView:
        """Run `steps` all or nothing; the transaction when it has ended, or with `wait=False` as it started.

        The same `id` is the same transaction, so a call may be repeated. `timeout_s` bounds the waiting; a transaction
        that has not ended `within_s` is rolled back. `callback` is told when it is committed, rolled back or parked.
        """
        tx_id = id or new_id()
        ask = Transact(
            id=tx_id, steps=list(steps), name=name, wait_ms=wait_ms(timeout_s) if wait else 0, timeout_s=within_s,
            callback=callback,
        )  # fmt: skip
        view = await self._start("tx.run", ask, TransactionView, timeout_s)
        return await self.wait_transaction(tx_id, timeout_s) if wait and view.ended_at is None else view

    async def transaction(self, id: str) -> TransactionView:  # noqa: A002
        """One transaction as it stands, with its timeline."""
        return await self._ask("tx.get", TransactionGet(id=id), TransactionView)

    async def transactions(self, limit: int = 50, state: TransactionState | None = None) -> list[TransactionView]:
        """The latest transactions, newest first; of those in `state` if it is given."""
        ask = TransactionList(limit=limit, state=state)
        return (await self._ask("tx.list", ask, TransactionListed)).transactions

    async def wait_transaction(self, id: str, timeout_s: float) -> TransactionView:  # noqa: A002
        """The transaction when it has ended or is parked; `DeadlineExceeded` after `timeout_s`."""
        ask = TransactionWait(id=id, wait_ms=wait_ms(timeout_s))
        return await self._until_ended("tx.wait", ask, TransactionView, {"running", "compensating"}, timeout_s)

    async def check_transaction(self, steps: Sequence[StepSpec], *, name: str = "") -> TransactionView:
        """Check `steps` as `transact` does, and begin nothing; the transaction as it would begin."""
        ask = Transact(id=new_id(), steps=list(steps), name=name, dry_run=True)
        return await self._ask("tx.run", ask, TransactionView)

    async def cancel_transaction(self, id: str) -> TransactionView:  # noqa: A002
        """Turn a running transaction back; `Conflict` when it is too late for that."""
        return await self._ask("tx.cancel", TransactionCancel(id=id), TransactionView)

    async def retry_transaction(self, id: str, step: str | None = None) -> TransactionView:  # noqa: A002
        """Try what is parked again, or one parked step of it."""
        return await self._ask("tx.retry", TransactionRetry(id=id, step=step), TransactionView)

    async def skip_step(self, id: str, step: str, why: str) -> TransactionView:  # noqa: A002
        """Leave a parked step as it is, and let the others go on."""
        return await self._ask("tx.skip", TransactionSkip(id=id, step=step, why=why), TransactionView)

    async def resolve_transaction(
        self,
        id: str,  # noqa: A002
        state: Literal["committed", "rolled_back"],
        why: str,
    ) -> TransactionView:
        """End what is parked by hand: whoever does has seen to it that this is true."""
        return await self._ask("tx.resolve", TransactionResolve(id=id, state=state, why=why), TransactionView)
