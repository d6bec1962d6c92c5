"""A filter of dead letters."""

from __future__ import annotations

import msgspec

from fleetfold_shared.messages import DeadLetterReason

__all__ = ["DeadLetterFilter"]


class DeadLetterFilter(msgspec.Struct, frozen=True, kw_only=True):
    """A filter of dead letters: those that match all values given. `since` is in Unix seconds."""

    node: str | None = None
    reason: DeadLetterReason | None = None
    action: str | None = None
    job: str | None = None
    tx: str | None = None
    since: float | None = None
