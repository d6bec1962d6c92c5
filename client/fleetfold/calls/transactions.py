"""Client calls about transactions."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Literal

from fleetfold.caller import ANSWER_S, Caller, wait_ms
from fleetfold.transaction_builder import Transaction
from fleetfold.wait_policy import WaitPolicy
from fleetfold_broker.rpc.streamed_reply import in_parts
from fleetfold_shared.errors import DeadlineExceeded, Overloaded, RateLimited, Unavailable
from fleetfold_shared.ids import new_id
from fleetfold_shared.messages import (
    Callback,
    StepSpec,
    TimelineEntry,
    Transact,
    TransactionCancel,
    TransactionFollow,
    TransactionGet,
    TransactionList,
    TransactionListed,
    TransactionNews,
    TransactionResolve,
    TransactionRetry,
    TransactionSkip,
    TransactionState,
    TransactionView,
    TransactionWait,
    decode,
)
from fleetfold_shared.values import encode_exactly

__all__ = ["Steps", "TransactionCalls"]

GOING_ON = {"running", "compensating"}
Steps = Sequence[StepSpec] | Transaction | str
"""What to run: steps, a transaction that was built, or the name of a definition."""


class TransactionCalls(Caller):
    """Transactions."""

    async def transact(
        self,
        steps: Steps,
        *,
        name: str = "",
        wait: bool = True,
        timeout_s: float = 300.0,
        id: str | None = None,  # noqa: A002
        within_s: float | None = None,
        callback: Callback | None = None,
        inputs: Mapping[str, Any] | None = None,
    ) -> TransactionView:
        """Run `steps` all or nothing; the transaction when it has ended, or with `wait=False` as it started.

        `steps` may be a `Transaction`, or the name of a definition, `order` or `order@2`; `inputs` are for either.
        The same `id` is the same transaction, so a call may be repeated. `timeout_s` bounds the waiting; a transaction
        that has not ended `within_s` is rolled back. `callback` is told when it is committed, rolled back or parked.
        """
        tx_id = id or new_id()
        ask = _transact(
            steps, inputs, id=tx_id, name=name, wait_ms=wait_ms(timeout_s) if wait else 0, timeout_s=within_s,
            callback=callback,
        )  # fmt: skip
        view = await self._start("transactions.run", ask, TransactionView, timeout_s)
        return await self.wait_transaction(tx_id, timeout_s) if wait and view.ended_at is None else view

    async def transaction(self, id: str) -> TransactionView:  # noqa: A002
        """One transaction as it stands, with its timeline."""
        return await self._ask("transactions.get", TransactionGet(id=id), TransactionView)

    async def transactions(self, limit: int = 50, state: TransactionState | None = None) -> list[TransactionView]:
        """The latest transactions, newest first; of those in `state` if it is given."""
        ask = TransactionList(limit=limit, state=state)
        return (await self._ask("transactions.list", ask, TransactionListed)).transactions

    async def wait_transaction(self, id: str, timeout_s: float) -> TransactionView:  # noqa: A002
        """The transaction when it has ended or is parked; `DeadlineExceeded` after `timeout_s`."""
        ask = TransactionWait(id=id, wait_ms=wait_ms(timeout_s))
        return await self._until_ended("transactions.wait", ask, TransactionView, GOING_ON, timeout_s)

    async def follow_transaction(
        self,
        id: str,  # noqa: A002
        *,
        after: int = 0,
        timeout_s: float | None = None,
    ) -> AsyncGenerator[TimelineEntry | TransactionView, None]:
        """The entries of its timeline behind the first `after`, as they come, each once; last the transaction when it
        has ended or is parked.

        A master that goes away meanwhile is waited for. `DeadlineExceeded` after `timeout_s`; the transaction goes on.
        """
        patience = WaitPolicy(timeout_s)
        while True:
            ask = TransactionFollow(id=id, after=after, wait_ms=patience.wait_ms())
            view = None
            try:
                async with aclosing(self._news(ask)) as news:
                    async for one in news:
                        patience.hear()
                        if isinstance(one, TransactionView):
                            view = one
                            continue
                        for entry in one.entries[max(0, after - one.seq + len(one.entries)) :]:
                            after += 1
                            yield entry
            except (Unavailable, DeadlineExceeded, Overloaded, RateLimited) as error:
                await patience.bear(error, id)
            if view is not None and view.state not in GOING_ON:
                yield view
                return
            patience.check(id)

    async def _news(self, ask: TransactionFollow) -> AsyncGenerator[TransactionNews | TransactionView, None]:
        subject, timeout_s = (
            self._bus.subjects.api(self._bus.caller, "transactions.follow"),
            ask.wait_ms / 1000 + ANSWER_S,
        )
        try:
            async with aclosing(in_parts(self._bus, subject, encode_exactly(ask), timeout_s, ANSWER_S)) as parts:
                async for part in parts:
                    yield decode(part.data, TransactionView) if part.last else decode(part.data, TransactionNews)
        except Unavailable as error:
            raise self._no_master(error) from None

    async def check_transaction(
        self, steps: Steps, *, name: str = "", inputs: Mapping[str, Any] | None = None
    ) -> TransactionView:
        """Check `steps` as `transact` does, and begin nothing; the transaction as it would begin."""
        ask = _transact(steps, inputs, id=new_id(), name=name, dry_run=True)
        return await self._ask("transactions.run", ask, TransactionView)

    async def cancel_transaction(self, id: str, *, why: str = "") -> TransactionView:  # noqa: A002
        """Start compensation of a running transaction. `Conflict` if it is too late for that."""
        return await self._ask("transactions.cancel", TransactionCancel(id=id, why=why), TransactionView)

    async def retry_transaction(self, id: str, step: str | None = None, *, why: str = "") -> TransactionView:  # noqa: A002
        """Try what is parked again, or one parked step of it."""
        return await self._ask("transactions.retry", TransactionRetry(id=id, step=step, why=why), TransactionView)

    async def skip_step(self, id: str, step: str, why: str) -> TransactionView:  # noqa: A002
        """Leave a parked step as it is, and let the others go on."""
        return await self._ask("transactions.skip", TransactionSkip(id=id, step=step, why=why), TransactionView)

    async def resolve_transaction(
        self,
        id: str,  # noqa: A002
        state: Literal["committed", "rolled_back"],
        why: str,
    ) -> TransactionView:
        """End what is parked by hand: whoever does has seen to it that this is true."""
        return await self._ask("transactions.resolve", TransactionResolve(id=id, state=state, why=why), TransactionView)


def _transact(steps: Steps, inputs: Mapping[str, Any] | None, **more: Any) -> Transact:
    if isinstance(steps, str):
        return Transact(definition=steps, inputs=dict(inputs or {}), **more)
    if isinstance(steps, Transaction):
        more["name"] = more["name"] or steps.name
        within_s = more.pop("timeout_s", None)
        within_s = steps.within_s if within_s is None else within_s
        return Transact(steps=steps.steps(), inputs=steps.given(inputs), timeout_s=within_s, **more)
    return Transact(steps=list(steps), inputs=dict(inputs or {}), **more)
