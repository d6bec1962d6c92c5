"""Publisher of results: sends each until the broker has stored it, and marks it so in the ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from fleetfold_child.commands.result_batching import ResultBatcher
from fleetfold_child.commands.result_encoding import without_result
from fleetfold_child.ledger.ledger import Ledger
from fleetfold_shared.concurrency import batches
from fleetfold_shared.errors import TooLarge
from fleetfold_shared.messages import CommandResult
from fleetfold_shared.redaction import Redactor

__all__ = ["ResultPublisher"]

PUBLISHED_AT_ONCE = 256


class ResultPublisher:
    """The results of one node. `epochs` returns the present epochs of its collections."""

    def __init__(
        self, batches: ResultBatcher, ledger: Ledger, incarnation: str, epochs: Callable[[], dict[str, int]],
        redact: Redactor,
    ) -> None:  # fmt: skip
        self._batches, self._ledger, self._redact = batches, ledger, redact
        self._incarnation, self._epochs = incarnation, epochs
        self._published: list[str] = []

    async def publish(self, result: CommandResult) -> None:
        """Publish a result and return when the broker has stored it. It has no message id: the master recognises
        duplicates.

        It carries the present epochs, which include the action's changes: a master that learns of the end knows them.
        """
        redacted = msgspec.structs.replace(
            result,
            incarnation=self._incarnation,
            epochs=self._epochs(),
            error=result.error and self._redact(result.error),
        )
        try:
            await self._batches.publish(redacted)
        except TooLarge as error:  # this broker takes less than others
            await self._batches.publish(without_result(redacted, error.message))
        self._published.append(result.id)

    async def publish_pending(self) -> None:
        """Publish the results in the ledger that are not marked as published."""
        for batch in batches(await self._ledger.unpublished(), PUBLISHED_AT_ONCE):
            await asyncio.gather(*map(self.publish, batch))

    async def mark_published(self) -> None:
        """Mark what was published in the ledger; unmarked results are published again at the next start."""
        ids, self._published = self._published, []
        if not ids:
            return
        try:
            await self._ledger.published(*ids)
        except BaseException:
            self._published = ids + self._published
            raise
