"""Forgetting of ended commands: the node asks the masters which are settled for good, and deletes those in time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from fleetfold_child.app_database.databases import Databases
from fleetfold_child.ledger.ledger import Ledger
from fleetfold_shared.errors import FleetfoldError
from fleetfold_shared.messages import CommandsConfirmed

__all__ = ["AskSettled", "Forgetting"]

log = structlog.get_logger(__name__)

AskSettled = Callable[[list[str]], Awaitable[CommandsConfirmed]]
"""Asks a master which of these commands are settled."""


class Forgetting:
    """Confirms and prunes the ledger, with the idempotency rows in the application's databases."""

    def __init__(self, ledger: Ledger, databases: Databases | None, retention_s: float, ask: AskSettled) -> None:
        self._ledger, self._databases, self._retention_s, self._ask = ledger, databases, retention_s, ask
        self._unknown = 0

    async def run_once(self) -> None:
        """Ask about what has ended and is not confirmed; then delete what is confirmed and old enough."""
        try:
            await self._confirm()
        except FleetfoldError as error:  # no master, or one of an earlier version: another time
            log.info("ledger.not_confirmed", reason=error.message)
        if self._databases is None:
            await self._ledger.prune(self._retention_s)
        else:
            await self._ledger.prune(self._retention_s, self._databases.forget)
        await self._ledger.vacuum()

    async def _confirm(self) -> None:
        last, unknown = "", 0
        while ids := await self._ledger.unconfirmed(last):
            answer = await self._ask(ids)
            await self._ledger.confirm(*answer.settled)
            last, unknown = ids[-1], unknown + len(answer.unknown)
        self._tell(unknown)

    def _tell(self, unknown: int) -> None:
        """Log a changed number of commands that the masters do not know."""
        if unknown != self._unknown:
            self._unknown = unknown
            log.warning(
                "ledger.unknown_to_masters", commands=unknown,
                meaning="the masters have no record of them, as after an old database was put back; they are kept",
            )  # fmt: skip
