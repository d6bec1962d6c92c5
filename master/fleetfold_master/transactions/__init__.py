"""All-or-nothing transactions over nodes (sagas): pure decisions, and the coordinator that carries them out."""

from __future__ import annotations

from fleetfold_master.transactions.advance import advance, apply_result, begin, cancel, redrive
from fleetfold_master.transactions.coordinator import Transactions
from fleetfold_master.transactions.model import Decision, Policy, Step, Tx
from fleetfold_master.transactions.operator_commands import resolve, retry, skip
from fleetfold_master.transactions.transaction_engine_options import TransactionOptions
from fleetfold_master.transactions.validation import Lookup, validate

__all__ = [
    "Decision", "Lookup", "Policy", "Step", "TransactionOptions", "Transactions", "Tx", "advance", "apply_result",
    "begin", "cancel", "redrive", "resolve", "retry", "skip", "validate",
]  # fmt: skip
