"""The verb of nodes about their commands."""

from __future__ import annotations

from fleetfold_shared.messages import CommandsConfirm, CommandsConfirmed
from fleetfold_shared.verbs.verb import NOBODY, Verb, allow

__all__ = ["CONFIRM"]

CONFIRM = Verb(
    "commands.confirm", CommandsConfirm, CommandsConfirmed, "Ask which ended commands a ledger may forget.",
    roles=allow(NOBODY, own="child"), safe=True, idempotent=True,
)  # fmt: skip
