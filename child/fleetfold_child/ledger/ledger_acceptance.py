"""Acceptance of the ledger by the masters: without it no command is run, and none is said never to have run."""

from __future__ import annotations

import structlog

from fleetfold_shared.errors import Unavailable

__all__ = ["LedgerAcceptance"]

log = structlog.get_logger(__name__)


class LedgerAcceptance:
    """What a master has last said of this node's ledger: `accepted`, or the reason why not."""

    def __init__(self) -> None:
        self.accepted, self._reason = True, ""

    def apply(self, *, accepted: bool, reason: str) -> None:
        """Take a master's verdict."""
        if accepted != self.accepted:
            (log.info if accepted else log.error)("ledger.accepted" if accepted else "ledger.refused", reason=reason)
        self.accepted, self._reason = accepted, "" if accepted else reason

    def need(self) -> None:
        """Raise `Unavailable` while the masters refuse the ledger."""
        if not self.accepted:
            raise Unavailable(f"the masters refuse this node's ledger: {self._reason}")
