"""`tx.<verb>`: what callers and operators may ask about transactions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fleetfold_master.access.authority import Principal
from fleetfold_master.service.guard import Verb
from fleetfold_master.service.room import fit_all, fit_transaction
from fleetfold_master.service.scoping import MOST_LOOKED_AT, check_transact, check_visible, sees_all, visible
from fleetfold_master.service.touched import Touched, named
from fleetfold_master.transactions import Transactions
from fleetfold_shared.messages import (
    Transact,
    TransactionCancel,
    TransactionGet,
    TransactionList,
    TransactionListed,
    TransactionResolve,
    TransactionRetry,
    TransactionSkip,
    TransactionView,
    TransactionWait,
)

__all__ = ["TransactionApi"]


class TransactionApi:
    """The verbs, each with the message it takes."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def open_on(self, node: str) -> Sequence[str]:
        """The ids of some transactions that still need this node, whoever drives them."""
        return await self._transactions.open_on(node)

    def verbs(self) -> dict[str, Verb[Any]]:
        """All of them, by name."""
        return {
            "tx.run": Verb(Transact, self._run, _touches_transaction, recorded=True),
            "tx.get": Verb(TransactionGet, self._get),
            "tx.wait": Verb(TransactionWait, self._wait),
            "tx.list": Verb(TransactionList, self._list),
            "tx.cancel": Verb(TransactionCancel, self._cancel, _touches_its_nodes, recorded=True),
            "tx.retry": Verb(TransactionRetry, self._retry, _touches_its_nodes, recorded=True),
            "tx.skip": Verb(TransactionSkip, self._skip, _touches_its_nodes, recorded=True),
            "tx.resolve": Verb(TransactionResolve, self._resolve, _touches_its_nodes, recorded=True),
        }

    async def _run(self, ask: Transact, who: Principal) -> TransactionView:
        check_transact(ask, who)
        view = await self._transactions.start(ask, who.name)
        if ask.wait_ms and view.ended_at is None:
            view = await self._transactions.wait(ask.id, ask.wait_ms / 1000)
        return fit_transaction(view)

    async def _get(self, ask: TransactionGet, who: Principal) -> TransactionView:
        return fit_transaction(await self._seen(ask.id, who, "tx.get"))

    async def _wait(self, ask: TransactionWait, who: Principal) -> TransactionView:
        await self._seen(ask.id, who, "tx.wait")
        return fit_transaction(await self._transactions.wait(ask.id, ask.wait_ms / 1000))

    async def _list(self, ask: TransactionList, who: Principal) -> TransactionListed:
        views = await self._transactions.list(ask.limit if sees_all(who, "tx.list") else MOST_LOOKED_AT)
        seen = [view for view in views if visible(view, who, "tx.list")]
        return TransactionListed(transactions=fit_all(seen[: ask.limit], fit_transaction))

    async def _cancel(self, ask: TransactionCancel, who: Principal) -> TransactionView:
        await self._seen(ask.id, who, "tx.cancel")
        return fit_transaction(await self._transactions.cancel(ask.id, who.name))

    async def _retry(self, ask: TransactionRetry, who: Principal) -> TransactionView:
        await self._seen(ask.id, who, "tx.retry")
        return fit_transaction(await self._transactions.retry(ask.id, who.name, ask.step))

    async def _skip(self, ask: TransactionSkip, who: Principal) -> TransactionView:
        await self._seen(ask.id, who, "tx.skip")
        return fit_transaction(await self._transactions.skip(ask.id, who.name, ask.step, ask.why))

    async def _resolve(self, ask: TransactionResolve, who: Principal) -> TransactionView:
        await self._seen(ask.id, who, "tx.resolve")
        return fit_transaction(await self._transactions.resolve(ask.id, who.name, ask.state, ask.why))

    async def _seen(self, key: str, who: Principal, verb: str) -> TransactionView:
        """The transaction, if the caller may see it by this verb."""
        return check_visible(await self._transactions.get(key), who, verb)


def _touches_transaction(ask: Transact, view: TransactionView | None) -> Touched:
    return Touched(named((step.node for step in ask.steps), whole=view is not None), ask.id)


def _touches_its_nodes(
    ask: TransactionCancel | TransactionRetry | TransactionSkip | TransactionResolve, view: TransactionView | None
) -> Touched:
    nodes = () if view is None else (step.node for step in view.steps)
    return Touched(named(nodes, whole=view is not None), ask.id)
