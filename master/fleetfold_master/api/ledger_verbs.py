"""`commands.confirm`, `nodes.reconcile`, `masters.reconcile`: what ledgers may forget, deny, and know alone."""

from __future__ import annotations

from typing import Any

from fleetfold_master.access.authorizer import Principal
from fleetfold_master.api.audit_target import AuditSubject, named, touches_node
from fleetfold_master.api.binding import Binding
from fleetfold_master.recovery import LedgerReconciliation, Restoration, SettledCommands
from fleetfold_shared import verbs
from fleetfold_shared.errors import Unavailable
from fleetfold_shared.messages import (
    CommandsConfirm,
    CommandsConfirmed,
    MastersReconcile,
    MastersReconciled,
    NodeReconcile,
    NodeReconciled,
)

__all__ = ["RecoveryVerbs"]


class RecoveryVerbs:
    """The handlers."""

    def __init__(
        self, settled: SettledCommands, reconciliation: LedgerReconciliation, restoration: Restoration
    ) -> None:
        self._settled, self._reconciliation, self._restoration = settled, reconciliation, restoration

    def bindings(self) -> tuple[Binding[Any, Any], ...]:
        """The verbs, with their handlers."""
        return (
            Binding(verbs.commands.CONFIRM, self._confirm),
            Binding(verbs.nodes.RECONCILE, self._reconcile, touches_node),
            Binding(verbs.masters.RECONCILE, self._reconcile_masters, _touches_nodes),
        )

    async def _confirm(self, ask: CommandsConfirm, who: Principal) -> CommandsConfirmed:
        """The caller is the node, by its verified name. Nothing is forgotten while the database is an old copy."""
        if self._restoration.old is not None:
            raise Unavailable("the masters' database is an old copy, which cannot say what is settled; ask again later")
        return await self._settled.among(who.name, ask.ids)

    async def _reconcile(self, ask: NodeReconcile, who: Principal) -> NodeReconciled:
        who.need_node(ask.node)
        return await self._reconciliation.run(ask)

    async def _reconcile_masters(self, ask: MastersReconcile, who: Principal) -> MastersReconciled:
        who.need_whole_fleet(verbs.masters.RECONCILE)
        return await self._restoration.reconcile(who.name, accept=ask.accept)


def _touches_nodes(ask: MastersReconcile, answer: MastersReconciled | None) -> AuditSubject:
    """The nodes that the masters have gone on without."""
    given_up = answer.unanswered if ask.accept and answer is not None else []
    return AuditSubject(named(given_up, whole=True), ",".join(answer.parked) if answer else "")
