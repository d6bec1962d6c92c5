"""`RateLimit`: charges a call to its caller's bucket."""

from __future__ import annotations

from collections.abc import Awaitable

from fleetfold_broker.rpc.pipeline import Call, Handler
from fleetfold_master.access.charge import spend
from fleetfold_master.access.rate_limits import Limits
from fleetfold_master.api.interceptors.authenticate import PRINCIPAL
from fleetfold_shared.messages import Message

__all__ = ["RateLimit"]


class RateLimit:
    """Every call of a known identity is charged, also one that is denied afterwards."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    def __call__(self, call: Call, proceed: Handler) -> Awaitable[Message | None]:
        """Set the reply's rate-limit headers. Raises `RateLimited` if the bucket is empty."""
        spend(self._limits, call, call.get(PRINCIPAL).role)
        return proceed(call)
