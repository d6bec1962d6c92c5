"""Reconciliation of a node's ledger with what the masters know, after it was lost or an old copy was put back.

The masters accept a ledger again when an operator says so. Before that they list what took effect, as they know, and
the ledger has not as such. What becomes of it depends on where the effect is:

    kind            the effect was in                    the operator
    --------------  -----------------------------------  --------------------------------------------------
    transactional   the commit of the row that is        looks whether it is still there, and sends it again
                    missing, or an application's         under a new id, or cancels the transaction
                    database
    others          the world outside of the ledger      need do nothing: it stays, and a rollback is run
                                                         from the masters' copy of the result

A rollback is such a command too. If the ledger denies a transactional one, and has the command that it undid, the
effect of that command is back.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import structlog

from fleetfold_master.nodes import Registry
from fleetfold_master.recovery.recorded_effects import TOOK_EFFECT, KnownEffect, read_known_effects
from fleetfold_master.store.database import Store
from fleetfold_shared.clock import Clock
from fleetfold_shared.concurrency import batches
from fleetfold_shared.messages import DeniedCommand, LedgerVerdicts, NodeReconcile, NodeReconciled

__all__ = ["LedgerReconciliation"]

log = structlog.get_logger(__name__)

AT_ONCE = 1000

AskLedger = Callable[[str, Sequence[str]], Awaitable[LedgerVerdicts]]
"""Asks a node what its ledger has of some commands. Raises `Unavailable` if it does not answer."""
Accepted = Callable[[str], Awaitable[None]]
"""Lets the node go on, after its ledger was accepted."""


class LedgerReconciliation:
    """Compares ledgers, and accepts them."""

    def __init__(self, store: Store, clock: Clock, registry: Registry, ask: AskLedger, accepted: Accepted) -> None:
        self._store, self._clock, self._registry, self._ask, self._accepted = store, clock, registry, ask, accepted

    async def run(self, ask: NodeReconcile) -> NodeReconciled:
        """Compare, and accept if it is asked for. Raises `NotFound`, or `Unavailable` if the node does not answer."""
        node, why = self._registry.get(ask.node), self._registry.refuses_ledger(ask.node)
        reported = await self._ask(ask.node, ["-"])  # no command: its mark, and how much it keeps
        effects = await read_known_effects(self._store, ask.node, self._clock.wall() - reported.retention_s)
        denied = await self._compare(ask.node, effects)
        if ask.accept:
            await self._registry.accept_ledger(ask.node, reported.mark)
            await self._accepted(ask.node)
            log.warning("ledger.reconciled", node=ask.node, reason=why, denied=len(denied))
        return NodeReconciled(
            node=ask.node, reason=why, known=node.ledger, reported=reported.mark, compared=len(effects), denied=denied,
            accepted=ask.accept or not why,
        )  # fmt: skip

    async def _compare(self, node: str, effects: Sequence[KnownEffect]) -> list[DeniedCommand]:
        kinds = {action.name: action.kind for action in self._registry.get(node).description.actions}
        outcomes: dict[str, str] = {}
        asked = [effect.id for effect in effects] + [effect.undoes for effect in effects if effect.undoes]
        for part in batches(asked, AT_ONCE):
            outcomes |= (await self._ask(node, part)).outcomes
        return [
            _denied(effect, effect.kind or kinds.get(effect.action, "transactional"))
            for effect in effects
            if outcomes.get(effect.id) not in TOOK_EFFECT
            and (effect.undoes is None or outcomes.get(effect.undoes) in TOOK_EFFECT)
        ]


def _denied(effect: KnownEffect, kind: str) -> DeniedCommand:
    look, remedy = _remedy(effect, kind)
    return DeniedCommand(
        id=effect.id, action=effect.action, outcome=effect.outcome, work=f"{effect.work} {effect.key}",
        state=effect.state, look=look, remedy=remedy,
    )  # fmt: skip


def _remedy(effect: KnownEffect, kind: str) -> tuple[bool, str]:
    """Whether an operator must look, and what is to be done."""
    if kind != "transactional":
        return False, "nothing to do: its effect is outside of the ledger"
    if effect.undoes:
        return True, f"look whether the effect of {effect.undoes} is back in the node's database; if so, undo it there"
    gone = "look whether its effect is still in the node's database; if not, "
    if effect.work == "transaction" and effect.state == "running":
        return True, f"{gone}`fleetfold tx cancel {effect.key}`, which undoes the other steps"
    return True, f"{gone}send it again under a new id"
