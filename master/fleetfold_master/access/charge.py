"""The rate-limit charge of a request, and the reply headers that report it."""

from __future__ import annotations

from fleetfold_broker.rpc.headers import LIMIT, REMAINING, RETRY_AFTER
from fleetfold_broker.rpc.pipeline import Call
from fleetfold_master.access.rate_limits import Limits
from fleetfold_shared.errors import RateLimited
from fleetfold_shared.messages import Role

__all__ = ["spend"]


def spend(limits: Limits, call: Call, role: Role, bucket: str = "") -> None:
    """Take one request from the caller's bucket, or another one, and set the reply's rate-limit headers. Raises
    `RateLimited` if the bucket is empty."""
    verdict = limits.take(bucket or call.identity, role)
    if not verdict.limit:
        return
    call.reply_headers.update({LIMIT: str(verdict.limit), REMAINING: str(verdict.remaining)})
    if verdict.retry_after_s is not None:
        call.reply_headers[RETRY_AFTER] = f"{verdict.retry_after_s:.3f}"
        raise RateLimited(
            f"{call.identity!r} may ask {verdict.limit} times a minute; try again in {verdict.retry_after_s:.3f} s",
            retry_after_s=verdict.retry_after_s,
        )
