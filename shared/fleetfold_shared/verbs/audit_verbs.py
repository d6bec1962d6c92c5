"""The verb of the audit log."""

from __future__ import annotations

from fleetfold_shared.messages import AuditList, AuditListed
from fleetfold_shared.verbs.verb import OPERATORS, Verb, allow

__all__ = ["LIST"]

LIST = Verb(
    "audit.list", AuditList, AuditListed, "Read and follow the audit log.",
    roles=allow(OPERATORS), scope="named", safe=True, idempotent=True,
)  # fmt: skip
