"""Handlers of the verbs about transactions."""

from __future__ import annotations

from typing import Any

from fleetfold_broker.rpc.admission import begin_waiting, may_wait
from fleetfold_broker.rpc.streamed_reply import Say
from fleetfold_master.access.authorizer import Principal
from fleetfold_master.access.scoping import MOST_LOOKED_AT, check_transact, check_visible, sees_all, visible
from fleetfold_master.answer_budget import fit_all, fit_transaction
from fleetfold_master.api.audit_target import AuditSubject, named, of_transaction
from fleetfold_master.api.binding import Binding
from fleetfold_master.api.callback_check import CheckCallback, anywhere
from fleetfold_master.definitions import Definitions
from fleetfold_master.transactions import Transactions
from fleetfold_shared import verbs
from fleetfold_shared.errors import FleetfoldError
from fleetfold_shared.messages import (
    Transact,
    TransactionCancel,
    TransactionFollow,
    TransactionGet,
    TransactionList,
    TransactionListed,
    TransactionResolve,
    TransactionRetry,
    TransactionSkip,
    TransactionView,
    TransactionWait,
)
from fleetfold_shared.verbs import Verb

__all__ = ["TransactionVerbs"]


class TransactionVerbs:
    """The handlers. `check_callback` decides which callback addresses are allowed."""

    def __init__(
        self, transactions: Transactions, definitions: Definitions, check_callback: CheckCallback = anywhere
    ) -> None:
        self._transactions, self._definitions = transactions, definitions
        self._check_callback = check_callback

    def bindings(self) -> tuple[Binding[Any, Any], ...]:
        """The verbs of this area, with their handlers."""
        return (
            Binding(verbs.transactions.RUN, self._run, _touches_transaction),
            Binding(verbs.transactions.GET, self._get),
            Binding(verbs.transactions.WAIT, self._wait),
            Binding(verbs.transactions.FOLLOW, stream=self._follow),
            Binding(verbs.transactions.LIST, self._list),
            Binding(verbs.transactions.CANCEL, self._cancel, _touches_its_nodes),
            Binding(verbs.transactions.RETRY, self._retry, _touches_its_nodes),
            Binding(verbs.transactions.SKIP, self._skip, _touches_its_nodes),
            Binding(verbs.transactions.RESOLVE, self._resolve, _touches_its_nodes),
        )

    async def _run(self, ask: Transact, who: Principal) -> TransactionView:
        self._check_callback(ask.callback)
        try:
            expanded = await self._definitions.expand(ask)
        except FleetfoldError:
            if (view := await self._transactions.known(ask, who.name)) is None:
                raise  # it was accepted before, when its definition still existed
        else:
            check_transact(expanded, who)
            view = await self._transactions.start(expanded, who.name, who.role, asked=ask)
        if ask.wait_ms and view.ended_at is None and may_wait():
            view = await self._transactions.wait(ask.id, ask.wait_ms / 1000)
        return fit_transaction(view)

    async def _get(self, ask: TransactionGet, who: Principal) -> TransactionView:
        return fit_transaction(await self._seen(ask.id, who, verbs.transactions.GET))

    async def _wait(self, ask: TransactionWait, who: Principal) -> TransactionView:
        await self._seen(ask.id, who, verbs.transactions.WAIT)
        begin_waiting()
        return fit_transaction(await self._transactions.wait(ask.id, ask.wait_ms / 1000))

    async def _follow(self, ask: TransactionFollow, who: Principal, say: Say) -> TransactionView:
        await self._seen(ask.id, who, verbs.transactions.FOLLOW)
        begin_waiting()
        return fit_transaction(await self._transactions.follow(ask.id, ask.after, ask.wait_ms / 1000, say))

    async def _list(self, ask: TransactionList, who: Principal) -> TransactionListed:
        most = ask.limit if sees_all(who, verbs.transactions.LIST) else MOST_LOOKED_AT
        views = await self._transactions.list(most, ask.state)
        seen = [view for view in views if visible(view, who, verbs.transactions.LIST)]
        return TransactionListed(transactions=fit_all(seen[: ask.limit], fit_transaction))

    async def _cancel(self, ask: TransactionCancel, who: Principal) -> TransactionView:
        await self._seen(ask.id, who, verbs.transactions.CANCEL)
        return fit_transaction(await self._transactions.cancel(ask.id, who.name, ask.why))

    async def _retry(self, ask: TransactionRetry, who: Principal) -> TransactionView:
        await self._seen(ask.id, who, verbs.transactions.RETRY)
        return fit_transaction(await self._transactions.retry(ask.id, who.name, ask.step, ask.why))

    async def _skip(self, ask: TransactionSkip, who: Principal) -> TransactionView:
        await self._seen(ask.id, who, verbs.transactions.SKIP)
        return fit_transaction(await self._transactions.skip(ask.id, who.name, ask.step, ask.why))

    async def _resolve(self, ask: TransactionResolve, who: Principal) -> TransactionView:
        await self._seen(ask.id, who, verbs.transactions.RESOLVE)
        return fit_transaction(await self._transactions.resolve(ask.id, who.name, ask.state, ask.why))

    async def _seen(self, key: str, who: Principal, verb: Verb[Any, Any]) -> TransactionView:
        """The transaction, if this verb shows it to the caller."""
        return check_visible(await self._transactions.get(key), who, verb)


def _touches_transaction(ask: Transact, view: TransactionView | None) -> AuditSubject | None:
    """The audit subject; None for a dry run."""
    if view is not None and view.state == "checked":
        return None
    nodes = [step.node for step in (ask.steps if view is None else view.steps)]
    said = () if view is None else of_transaction(view.state)
    return AuditSubject(named(nodes, whole=view is not None), ask.id, *said)


def _touches_its_nodes(
    ask: TransactionCancel | TransactionRetry | TransactionSkip | TransactionResolve, view: TransactionView | None
) -> AuditSubject:
    nodes = () if view is None else (step.node for step in view.steps)
    return AuditSubject(named(nodes, whole=view is not None), ask.id)
