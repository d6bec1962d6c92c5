"""Verbs about the caller's identity, and about logins."""

from __future__ import annotations

from fleetfold_shared.messages import AccessStats, AccessStatsRequest, Identity, WhoAmI
from fleetfold_shared.verbs.verb import CLIENTS, OPERATORS, Verb, allow

__all__ = ["STATS", "WHOAMI"]

WHOAMI = Verb(
    "access.whoami", WhoAmI, Identity, "Who one is to the master.",
    roles=allow(CLIENTS, own="child"), safe=True, idempotent=True,
)  # fmt: skip
STATS = Verb(
    "access.stats", AccessStatsRequest, AccessStats, "Connections and requests let in and refused.",
    roles=allow(OPERATORS), safe=True, idempotent=True,
)  # fmt: skip
