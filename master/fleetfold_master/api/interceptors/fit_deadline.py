"""`FitDeadline`: limits the time that a request may take here to what its caller still waits."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from msgspec.structs import replace

from fleetfold_broker.rpc.pipeline import MESSAGE, Call, Handler
from fleetfold_shared.messages import Message

__all__ = ["FitDeadline", "budget_s"]

WAY_S, WAY_SHARE, MOST_SHARE, MOST_S = 0.05, 0.05, 0.25, 0.5
"""Reserved for the way back and for a loaded machine: so many seconds and such a share of the time, but at most
`MOST_SHARE` of it and `MOST_S`."""


def budget_s(left_s: float) -> float:
    """Seconds in which to answer a caller that waits for `left_s` more."""
    return max(0.0, left_s - min(WAY_S + WAY_SHARE * left_s, MOST_SHARE * left_s, MOST_S))


class FitDeadline:
    """A message's `timeout_ms` and `wait_ms` are lowered to the budget, so that a partial answer, or the state so far,
    arrives before the caller gives up, however late the request came here."""

    def __call__(self, call: Call, proceed: Handler) -> Awaitable[Message | None]:
        """Replace the decoded message, if its time limit is too long."""
        if (left_s := call.remaining_s()) is not None:
            message: Any = call.get(MESSAGE)
            most_ms = int(budget_s(left_s) * 1000)
            if getattr(message, "timeout_ms", 0) > most_ms:
                call.put(MESSAGE, replace(message, timeout_ms=max(1, most_ms)))
            if getattr(message, "wait_ms", 0) > most_ms:
                call.put(MESSAGE, replace(message, wait_ms=most_ms))
        return proceed(call)
