"""Results on their way to the masters: those that are ready at the same time travel in one message.

Of a hundred commands under way a dozen end with one commit of the ledger. Each message costs the broker, the master and
the node as much as handling what is in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from fleetfold_broker.background_tasks import BackgroundTasks
from fleetfold_broker.jetstream.publish_confirm import ConfirmedPublisher
from fleetfold_shared.batching import waves
from fleetfold_shared.errors import FleetfoldError, TooLarge
from fleetfold_shared.messages import CommandResult, CommandResults, encode

__all__ = ["ResultBatcher"]

MOST = 64
"""Results in a message: while one of them cannot be committed, all of them come again."""
MOST_BYTES = 512 * 1024


class ResultBatcher:
    """Publishes on `subject`; what comes in one turn of the event loop goes together."""

    def __init__(self, kept: ConfirmedPublisher, subject: str) -> None:
        self._kept, self._subject = kept, subject
        self._waiting: list[tuple[CommandResult, asyncio.Future[None]]] = []
        self._tasks = BackgroundTasks()

    async def publish(self, result: CommandResult) -> None:
        """Return when the broker has stored the result; `Unavailable` when it does not say so."""
        loop = asyncio.get_running_loop()
        stored: asyncio.Future[None] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._depart)
        self._waiting.append((result, stored))
        await stored

    async def stop(self) -> None:
        """Publish nothing more."""
        await self._tasks.cancel()

    def _depart(self) -> None:
        waiting, self._waiting = self._waiting, []
        for wave in waves(waiting, MOST):
            self._tasks.spawn(self._carry(wave))

    async def _carry(self, wave: Sequence[tuple[CommandResult, asyncio.Future[None]]]) -> None:
        error: FleetfoldError | None = None
        try:
            await self._say([result for result, _ in wave])
        except FleetfoldError as failure:
            error = failure
        for _, stored in wave:
            if stored.done():
                continue
            if error is None:
                stored.set_result(None)
            else:
                stored.set_exception(error)

    async def _say(self, results: Sequence[CommandResult]) -> None:
        message = CommandResults(results=list(results))
        if len(results) > 1 and len(encode(message)) > MOST_BYTES:
            return await self._say_in_halves(results)
        try:
            await self._kept.publish(self._subject, message)
        except TooLarge:
            if len(results) == 1:
                raise
            await self._say_in_halves(results)

    async def _say_in_halves(self, results: Sequence[CommandResult]) -> None:
        middle = len(results) // 2
        await asyncio.gather(self._say(results[:middle]), self._say(results[middle:]))
