"""Damage of the broker's store, as JetStream reports it.

A consumer whose file is damaged can be neither read nor created: JetStream answers with one of `CONSUMER_DAMAGED`, also
after a restart. Deleting its stream removes the file. Masters and nodes send again what was in the stream.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleetfold_broker.quarantine import is_of_the_machine

__all__ = ["consumer_damage", "remedy"]

CONSUMER_DAMAGED = {10012, 10104}
"""JetStream's err_codes for a consumer whose store cannot be created."""
STREAM_DAMAGED = {10049, 10077}
"""Its err_codes for a stream whose store cannot be created."""
_STORE = "error creating store"


def consumer_damage(error: Mapping[str, Any] | None) -> str | None:
    """Return JetStream's reason if `error` refuses a consumer because its file is damaged; otherwise None."""
    return _reason(error, CONSUMER_DAMAGED)


def remedy(error: Mapping[str, Any]) -> str:
    """Return what to do about a refusal, if the store is damaged beyond the reach of JetStream's requests."""
    if _reason(error, CONSUMER_DAMAGED | STREAM_DAMAGED) is None:
        return ""
    return (
        "; the broker's store is damaged: stop the broker, move its folder `jetstream` away and start it again; masters"
        " and nodes send again what was in it"
    )


def _reason(error: Mapping[str, Any] | None, codes: set[int]) -> str | None:
    if error is None or error.get("err_code") not in codes:
        return None
    reason = str(error.get("description", ""))
    return reason if _STORE in reason and not is_of_the_machine(reason) else None
