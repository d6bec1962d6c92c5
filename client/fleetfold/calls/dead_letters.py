"""Client calls about dead letters."""

from __future__ import annotations

from fleetfold.caller import Caller
from fleetfold_shared.messages import (
    DeadLetter,
    DeadLetterDrop,
    DeadLetterDropped,
    DeadLetterGet,
    DeadLetterList,
    DeadLetterListed,
    DeadLetterReason,
    DeadLetterRetried,
    DeadLetterRetry,
)

__all__ = ["DeadLetterCalls"]


class DeadLetterCalls(Caller):
    """Dead letters: commands that will not run any more."""

    async def dead_letters(
        self,
        *,
        node: str | None = None,
        reason: DeadLetterReason | None = None,
        action: str | None = None,
        job: str | None = None,
        tx: str | None = None,
        since: float | None = None,
        retried: bool = False,
        limit: int = 100,
        before: DeadLetter | None = None,
    ) -> DeadLetterListed:
        """Those that match all that is given, newest first, as many as fit; and how many match.

        `since` is in Unix seconds; `retried` shows those as well that were tried again; `before` is the last dead
        letter of the page before.
        """
        ask = DeadLetterList(
            node=node, reason=reason, action=action, job=job, tx=tx, since=since, retried=retried, limit=limit,
            before=None if before is None else (before.at, before.id),
        )  # fmt: skip
        return await self._ask("dead_letters.list", ask, DeadLetterListed)

    async def dead_letter(self, id: str) -> DeadLetter:  # noqa: A002
        """One dead letter, with its history."""
        return await self._ask("dead_letters.get", DeadLetterGet(id=id), DeadLetter)

    async def retry_dead_letter(self, id: str) -> str:  # noqa: A002
        """Do its command again, as a new job of this identity; the job's id. `Conflict` says why that cannot be."""
        return (await self._ask("dead_letters.retry", DeadLetterRetry(id=id), DeadLetterRetried)).job

    async def drop_dead_letter(self, id: str) -> None:  # noqa: A002
        """Forget it."""
        await self._ask("dead_letters.drop", DeadLetterDrop(id=id), DeadLetterDropped)
