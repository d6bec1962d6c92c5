"""Transactions, and handles to them: `fleet.transactions`."""

from __future__ import annotations

import builtins
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, Literal

import msgspec

from fleetfold.caller import ANSWER_S, Caller, wait_ms
from fleetfold.transact_request import Steps, transact_request
from fleetfold.wait_policy import WaitPolicy
from fleetfold_shared import verbs
from fleetfold_shared.errors import DeadlineExceeded, Overloaded, RateLimited, Unavailable
from fleetfold_shared.ids import new_id
from fleetfold_shared.messages import (
    TimelineEntry,
    Transact,
    TransactionCancel,
    TransactionFollow,
    TransactionGet,
    TransactionList,
    TransactionNews,
    TransactionResolve,
    TransactionRetry,
    TransactionSkip,
    TransactionState,
    TransactionView,
    TransactionWait,
    decode,
)

__all__ = ["TransactionHandle", "Transactions"]

GOING_ON = {"running", "compensating"}


class Transactions:
    """Transactions: steps on several nodes that are all done or all compensated."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def list(self, limit: int = 50, state: TransactionState | None = None) -> builtins.list[TransactionView]:
        """List the latest transactions, newest first; with `state` only those in it."""
        ask = TransactionList(limit=limit, state=state)
        return (await self._caller.ask(verbs.transactions.LIST, ask)).transactions

    async def get(self, id: str) -> TransactionView:
        """Get one transaction as it stands, with its timeline. Raises `NotFound`."""
        return await self._caller.ask(verbs.transactions.GET, TransactionGet(id=id))

    def handle(self, id: str) -> TransactionHandle:
        """Make a handle to the transaction `id`; nothing is sent."""
        return TransactionHandle(self, id)

    async def check(self, steps: Steps, *, name: str = "", inputs: Mapping[str, Any] | None = None) -> TransactionView:
        """Check `steps` as `Client.transact` does, and start nothing; the transaction as it would start."""
        ask = transact_request(steps, inputs, id=new_id(), name=name, dry_run=True)
        return await self._caller.ask(verbs.transactions.RUN, ask)

    async def start(self, request: Transact, timeout_s: float = 300.0) -> TransactionView:
        """Start the transaction of a `Transact` message; the transaction as it stands after at most `request.wait_ms`.

        Repeated for `timeout_s` until a master has answered, also while masters are away: the same `request.id` is the
        same transaction.
        """
        return await self._caller.ask_idempotent(verbs.transactions.RUN, request, timeout_s)

    async def run(self, request: Transact, timeout_s: float = 300.0) -> TransactionView:
        """Start the transaction of a `Transact` message, and wait until it has ended or is parked."""
        view = await self.start(msgspec.structs.replace(request, wait_ms=wait_ms(timeout_s)), timeout_s)
        return await self.wait(request.id, timeout_s) if view.ended_at is None else view

    async def wait(self, id: str, timeout_s: float | None = None) -> TransactionView:
        """Wait until the transaction has ended or is parked. Raises `DeadlineExceeded` after `timeout_s`; None waits as
        long as it takes."""
        ask = TransactionWait(id=id, wait_ms=wait_ms(timeout_s))
        return await self._caller.ask_until_ended(verbs.transactions.WAIT, ask, GOING_ON, timeout_s)

    async def follow(
        self, id: str, *, after: int = 0, timeout_s: float | None = None
    ) -> AsyncGenerator[TimelineEntry | TransactionView, None]:
        """Yield the entries of its timeline after the first `after` as they are written, each once; last, the
        transaction when it has ended or is parked.

        A master that goes away meanwhile is waited for. Raises `DeadlineExceeded` after `timeout_s`; the transaction
        continues.
        """
        policy = WaitPolicy(timeout_s)
        while True:
            ask = TransactionFollow(id=id, after=after, wait_ms=policy.wait_ms())
            view = None
            try:
                async with aclosing(self._news(ask)) as news:
                    async for one in news:
                        policy.note_answer()
                        if isinstance(one, TransactionView):
                            view = one
                            continue
                        for entry in one.entries[max(0, after - one.seq + len(one.entries)) :]:
                            after += 1
                            yield entry
            except (Unavailable, DeadlineExceeded, Overloaded, RateLimited) as error:
                await policy.wait_or_raise(error, id)
            if view is not None and view.state not in GOING_ON:
                yield view
                return
            policy.check(id)

    async def _news(self, ask: TransactionFollow) -> AsyncGenerator[TransactionNews | TransactionView, None]:
        async with aclosing(
            self._caller.stream(verbs.transactions.FOLLOW, ask, ask.wait_ms / 1000 + ANSWER_S)
        ) as parts:
            async for part in parts:
                yield decode(part.data, TransactionView) if part.last else decode(part.data, TransactionNews)

    async def cancel(self, id: str, *, why: str = "") -> TransactionView:
        """Start the compensation of a running transaction. Raises `Conflict` if it is too late for that."""
        return await self._caller.ask(verbs.transactions.CANCEL, TransactionCancel(id=id, why=why))

    async def retry(self, id: str, step: str | None = None, *, why: str = "") -> TransactionView:
        """Retry the parked steps of a transaction, or only `step`."""
        return await self._caller.ask(verbs.transactions.RETRY, TransactionRetry(id=id, step=step, why=why))

    async def skip(self, id: str, step: str, why: str) -> TransactionView:
        """Leave a parked step as it is, and continue with the others."""
        return await self._caller.ask(verbs.transactions.SKIP, TransactionSkip(id=id, step=step, why=why))

    async def resolve(self, id: str, state: Literal["committed", "rolled_back"], why: str) -> TransactionView:
        """End a parked transaction by hand in `state`: the operator has made sure that this is its state."""
        return await self._caller.ask(verbs.transactions.RESOLVE, TransactionResolve(id=id, state=state, why=why))


class TransactionHandle:
    """A transaction that continues without its client: `await tx.result()`, `async for one in tx.follow()`.

    Made by `fleet.transact(..., detach=True)`, or by `fleet.transactions.handle(id)` in any other process.
    """

    def __init__(self, transactions: Transactions, id: str) -> None:
        self._transactions, self.id = transactions, id

    def __repr__(self) -> str:
        return f"TransactionHandle({self.id!r})"

    async def result(self, timeout_s: float | None = None) -> TransactionView:
        """Wait until the transaction has ended or is parked. Raises `DeadlineExceeded` after `timeout_s`; it
        continues."""
        return await self._transactions.wait(self.id, timeout_s)

    async def get(self) -> TransactionView:
        """Get the transaction as it stands."""
        return await self._transactions.get(self.id)

    def follow(
        self, *, after: int = 0, timeout_s: float | None = None
    ) -> AsyncGenerator[TimelineEntry | TransactionView, None]:
        """Yield the entries of its timeline, last the transaction, as `Transactions.follow` does."""
        return self._transactions.follow(self.id, after=after, timeout_s=timeout_s)

    async def cancel(self, *, why: str = "") -> TransactionView:
        """Start the compensation of the running transaction."""
        return await self._transactions.cancel(self.id, why=why)

    async def retry(self, step: str | None = None, *, why: str = "") -> TransactionView:
        """Retry the parked steps, or only `step`."""
        return await self._transactions.retry(self.id, step, why=why)

    async def skip(self, step: str, why: str) -> TransactionView:
        """Leave a parked step as it is, and continue with the others."""
        return await self._transactions.skip(self.id, step, why)

    async def resolve(self, state: Literal["committed", "rolled_back"], why: str) -> TransactionView:
        """End the parked transaction by hand in `state`."""
        return await self._transactions.resolve(self.id, state, why)
