"""Interceptor that lets no command run while the node's ledger cannot be written, or is not the one masters know."""

from __future__ import annotations

from fleetfold_broker.rpc.pipeline import Call, Handler
from fleetfold_child.ledger.ledger_acceptance import LedgerAcceptance
from fleetfold_child.node.health import Health
from fleetfold_shared.errors import Unavailable
from fleetfold_shared.messages import Message

__all__ = ["RequireLedger"]


class RequireLedger:
    """Raises `Unavailable` while the ledger is known not to work or the masters refuse it, and has it checked when a
    command finds it so.
    """

    def __init__(self, health: Health, acceptance: LedgerAcceptance) -> None:
        self._health, self._acceptance = health, acceptance

    async def __call__(self, call: Call, proceed: Handler) -> Message | None:
        self._acceptance.need()
        self._health.need("ledger")
        try:
            return await proceed(call)
        except Unavailable:
            self._health.suspect("ledger")
            raise
