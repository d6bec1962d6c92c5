"""What masters and nodes tell each other, so that neither a lost nor an old copy of their records goes unnoticed."""

from __future__ import annotations

from fleetfold_master.recovery.forgettable_commands import SettledCommands
from fleetfold_master.recovery.held_transactions import HeldTransactions
from fleetfold_master.recovery.ledger_reconciliation import LedgerReconciliation
from fleetfold_master.recovery.recall import Recall
from fleetfold_master.recovery.restoration import Restoration

__all__ = ["HeldTransactions", "LedgerReconciliation", "Recall", "Restoration", "SettledCommands"]
