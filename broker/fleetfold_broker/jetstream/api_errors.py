"""Errors of JetStream's API, as typed errors that say what to do.

Codes: https://github.com/nats-io/nats-server/blob/main/server/errors.json
"""

from __future__ import annotations

from typing import Any

from fleetfold_shared.errors import FleetfoldError, InternalError, InvalidInput, Unavailable

__all__ = ["api_error", "lacks_room"]

NO_ROOM = {10023, 10028, 10047}
"""`err_code`s for «insufficient storage» in the server or in the account."""
NO_PEERS = 10005
"""`err_code` when a cluster has too few servers, or too few with room, for a stream."""
NOT_CLUSTERED = 10074
"""`err_code` when a server that is in no cluster is asked for replicas."""
NOT_ENABLED = {10039, 10076}
"""`err_code`s where JetStream is disabled, for the account or altogether: asking again does not help."""
NOT_NOW = {404, 503}
"""Status codes of what may work when it is asked again: a lost stream, a cluster that elects a leader."""


def lacks_room(error: dict[str, Any]) -> bool:
    """Whether JetStream refuses a stream because its `max_bytes` do not fit."""
    code = error.get("err_code")
    return code in NO_ROOM or (code == NO_PEERS and "storage" in str(error.get("description")))


def api_error(call: str, error: dict[str, Any], remedy: str = "") -> FleetfoldError:
    """Return the error of the API's `call`: `InvalidInput` for replicas that the broker cannot keep, `Unavailable` for
    what may pass, else `InternalError`. `remedy` is added to the text of other errors.
    """
    code, why = error.get("err_code"), error.get("description", error)
    if code == NOT_CLUSTERED:
        return InvalidInput(
            "limits.replicas: the broker is one server that is in no cluster, and keeps one copy; "
            "set it to 1, or see docs/how-to/cluster.md",
            field="limits.replicas",
        )
    if code == NO_PEERS:
        return Unavailable(
            f"limits.replicas: too few servers of the cluster are up for so many copies ({why}); "
            "start the others, or lower it",
            field="limits.replicas",
        )
    text = f"JetStream refused {call}: {why}{remedy}"
    passes = error.get("code") in NOT_NOW and code not in NOT_ENABLED
    return Unavailable(text) if passes else InternalError(text)
