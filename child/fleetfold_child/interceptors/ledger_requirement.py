"""Interceptor that lets no command run while the node's ledger cannot be written."""

from __future__ import annotations

from fleetfold_broker.rpc.pipeline import Call, Handler
from fleetfold_child.node.health import Health
from fleetfold_shared.errors import Unavailable
from fleetfold_shared.messages import Message

__all__ = ["RequireLedger"]


class RequireLedger:
    """Raises `Unavailable` while the ledger is known not to work, and has it checked when a command finds it so."""

    def __init__(self, health: Health) -> None:
        self._health = health

    async def __call__(self, call: Call, proceed: Handler) -> Message | None:
        self._health.need("ledger")
        try:
            return await proceed(call)
        except Unavailable:
            self._health.suspect("ledger")
            raise
