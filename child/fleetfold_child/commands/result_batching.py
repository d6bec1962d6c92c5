"""Batching of results to the masters: those ready at the same time are published in one message.

Of a hundred running commands a dozen end with one commit of the ledger. Each message costs the broker, the master and
the node as much as handling its contents.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from fleetfold_broker.jetstream.confirmed_publisher import ConfirmedPublisher
from fleetfold_shared.concurrency import BackgroundTasks, batches, fail_if_open, resolve_if_open
from fleetfold_shared.errors import FleetfoldError, TooLarge
from fleetfold_shared.messages import CommandResult, CommandResults, LedgerMark, encode

__all__ = ["ResultBatcher"]

MOST = 64
"""Most results in a message: if one of them cannot be committed, all are delivered again."""
MOST_BYTES = 512 * 1024


ReadMark = Callable[[], Awaitable[LedgerMark | None]]


async def _no_mark() -> None:
    """Default of `ReadMark`: there is no ledger."""


class ResultBatcher:
    """Publishes on `subject`; results of one iteration of the event loop are published together. `mark` reads the
    ledger's mark, at which it has them.
    """

    def __init__(self, publisher: ConfirmedPublisher, subject: str, mark: ReadMark = _no_mark) -> None:
        self._publisher, self._subject, self._mark = publisher, subject, mark
        self._waiting: list[tuple[CommandResult, asyncio.Future[None]]] = []
        self._tasks = BackgroundTasks()

    async def publish(self, result: CommandResult) -> None:
        """Publish the result and return when the broker has stored it. Raises `Unavailable` when it does not
        confirm.
        """
        loop = asyncio.get_running_loop()
        stored: asyncio.Future[None] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._send_waiting)
        self._waiting.append((result, stored))
        await stored

    async def stop(self) -> None:
        """Stop publishing."""
        await self._tasks.cancel()

    def _send_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        for batch in batches(waiting, MOST):
            self._tasks.spawn(self._send_batch(batch))

    async def _send_batch(self, batch: Sequence[tuple[CommandResult, asyncio.Future[None]]]) -> None:
        error: FleetfoldError | None = None
        try:
            await self._publish([result for result, _ in batch])
        except FleetfoldError as failure:
            error = failure
        for _, stored in batch:
            if error is None:
                resolve_if_open(stored, None)
            else:
                fail_if_open(stored, error)

    async def _publish(self, results: Sequence[CommandResult]) -> None:
        message = CommandResults(results=list(results), ledger=await self._mark())
        if len(results) > 1 and len(encode(message)) > MOST_BYTES:
            return await self._publish_in_halves(results)
        try:
            await self._publisher.publish(self._subject, message)
        except TooLarge:
            if len(results) == 1:
                raise
            await self._publish_in_halves(results)

    async def _publish_in_halves(self, results: Sequence[CommandResult]) -> None:
        middle = len(results) // 2
        await asyncio.gather(self._publish(results[:middle]), self._publish(results[middle:]))
