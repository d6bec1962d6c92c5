"""The verbs about masters."""

from __future__ import annotations

from fleetfold_shared.messages import MasterList, MasterListed, MastersReconcile, MastersReconciled
from fleetfold_shared.verbs.verb import OPERATORS, Verb, allow

__all__ = ["LIST", "RECONCILE"]

LIST = Verb(
    "masters.list", MasterList, MasterListed, "List the masters, and what each drives.",
    roles=allow(OPERATORS), scope="fleet", safe=True, idempotent=True,
)  # fmt: skip
RECONCILE = Verb(
    "masters.reconcile", MastersReconcile, MastersReconciled, "Ask nodes what an old copy of the database lacks.",
    roles=allow(OPERATORS), scope="fleet", audit="committed", idempotent=True,
)  # fmt: skip
