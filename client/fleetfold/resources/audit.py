"""The audit log: `fleet.audit`."""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator

from msgspec.structs import replace

from fleetfold.caller import LONG_POLL_S, Caller
from fleetfold_shared import verbs
from fleetfold_shared.messages import AuditEntry, AuditList, AuditOutcome

__all__ = ["Audit"]


class Audit:
    """The masters' audit log. Requires the role operator or admin."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def list(
        self,
        *,
        node: str | None = None,
        who: str | None = None,
        what: str | None = None,
        outcome: AuditOutcome | None = None,
        since: float | None = None,
        limit: int = 50,
    ) -> builtins.list[AuditEntry]:
        """List the latest `limit` (1-1000) entries that match, oldest first; `since` in Unix seconds."""
        ask = AuditList(node=node, who=who, what=what, outcome=outcome, since=since, limit=limit)
        return (await self._caller.ask(verbs.audit.LIST, ask)).entries

    async def follow(
        self,
        *,
        node: str | None = None,
        who: str | None = None,
        what: str | None = None,
        outcome: AuditOutcome | None = None,
        since: float | None = None,
        limit: int = 50,
    ) -> AsyncIterator[AuditEntry]:
        """Yield the entries that `list` returns, then each new one that matches, without end. A master that is away is
        waited for."""
        ask = AuditList(node=node, who=who, what=what, outcome=outcome, since=since, limit=limit)
        found = await self._caller.ask(verbs.audit.LIST, ask)
        seen = 0
        while True:
            for entry in found.entries:
                seen = entry.seq
                yield entry
            following = replace(ask, after=seen, wait_ms=round(LONG_POLL_S * 1000))
            found = await self._caller.ask_patiently(verbs.audit.LIST, following)
