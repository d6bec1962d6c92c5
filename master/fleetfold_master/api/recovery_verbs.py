"""`commands.confirm` and `nodes.reconcile`: what ledgers may forget, and what they deny."""

from __future__ import annotations

from typing import Any

from fleetfold_master.access.authorizer import Principal
from fleetfold_master.api.audit_subject import touches_node
from fleetfold_master.api.binding import Binding
from fleetfold_master.recovery import LedgerReconciliation, SettledCommands
from fleetfold_shared import verbs
from fleetfold_shared.messages import CommandsConfirm, CommandsConfirmed, NodeReconcile, NodeReconciled

__all__ = ["RecoveryVerbs"]


class RecoveryVerbs:
    """The handlers."""

    def __init__(self, settled: SettledCommands, reconciliation: LedgerReconciliation) -> None:
        self._settled, self._reconciliation = settled, reconciliation

    def bindings(self) -> tuple[Binding[Any, Any], ...]:
        """The verbs, with their handlers."""
        return (
            Binding(verbs.commands.CONFIRM, self._confirm),
            Binding(verbs.nodes.RECONCILE, self._reconcile, touches_node),
        )

    async def _confirm(self, ask: CommandsConfirm, who: Principal) -> CommandsConfirmed:
        """The caller is the node, by its verified name."""
        return await self._settled.among(who.name, ask.ids)

    async def _reconcile(self, ask: NodeReconcile, who: Principal) -> NodeReconciled:
        who.need_node(ask.node)
        return await self._reconciliation.run(ask)
