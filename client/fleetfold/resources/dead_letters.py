"""Dead letters: `fleet.dead_letters`."""

from __future__ import annotations

from msgspec.structs import asdict

from fleetfold.caller import Caller
from fleetfold.dead_letter_filter import DeadLetterFilter
from fleetfold_shared import verbs
from fleetfold_shared.messages import (
    DeadLetter,
    DeadLetterDrop,
    DeadLetterGet,
    DeadLetterList,
    DeadLetterListed,
    DeadLetterRetry,
)

__all__ = ["DeadLetters"]


ANY = DeadLetterFilter()


class DeadLetters:
    """Dead letters: commands that will not be executed, each with the reason."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def list(
        self,
        filter: DeadLetterFilter = ANY,
        *,
        retried: bool = False,
        limit: int = 100,
        before: DeadLetter | None = None,
    ) -> DeadLetterListed:
        """List the dead letters that match, newest first, as many as fit into a reply; and the number that match.

        `retried` includes those that were retried; `before` is the last dead letter of the previous page.
        """
        ask = DeadLetterList(
            **asdict(filter), retried=retried, limit=limit, before=None if before is None else (before.at, before.id)
        )
        return await self._caller.ask(verbs.dead_letters.LIST, ask)

    async def get(self, id: str) -> DeadLetter:
        """Get one dead letter, with its history. Raises `NotFound`."""
        return await self._caller.ask(verbs.dead_letters.GET, DeadLetterGet(id=id))

    async def retry(self, id: str) -> str:
        """Run its command again, as a new job of this identity. Returns the job's id. May raise `Conflict`."""
        return (await self._caller.ask(verbs.dead_letters.RETRY, DeadLetterRetry(id=id))).job

    async def drop(self, id: str) -> None:
        """Delete it. Raises `NotFound`."""
        await self._caller.ask(verbs.dead_letters.DROP, DeadLetterDrop(id=id))
