"""The verb about masters."""

from __future__ import annotations

from fleetfold_shared.messages import MasterList, MasterListed
from fleetfold_shared.verbs.verb import OPERATORS, Verb, allow

__all__ = ["LIST"]

LIST = Verb(
    "masters.list", MasterList, MasterListed, "List the masters, and what each drives.",
    roles=allow(OPERATORS), scope="fleet", safe=True, idempotent=True,
)  # fmt: skip
