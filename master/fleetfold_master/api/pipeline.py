"""The API's pipeline: what every request passes, in order, before its handler.

To add a concern, write an interceptor in `api/interceptors/` and list it here. Requests are counted, timed and
distinguished by their outcome in the request server, around this list; deadline and admission come before it as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fleetfold_broker.rpc.interceptors import bind_log_context
from fleetfold_broker.rpc.pipeline import Interceptor
from fleetfold_master.access.authorizer import Authorizer
from fleetfold_master.access.rate_limits import Limits
from fleetfold_master.api.binding import Bindings
from fleetfold_master.api.denied_requests import AuditSink, DeniedRequests
from fleetfold_master.api.interceptors import (
    Audit,
    Authenticate,
    Authorise,
    DecodeBody,
    Denials,
    FitDeadline,
    RateLimit,
)
from fleetfold_shared.clock import Clock

__all__ = ["AccessPolicy", "api_interceptors"]


@dataclass(frozen=True, slots=True)
class AccessPolicy:
    """Services that decide on requests and record them. `where` returns the network address of an identity."""

    authorizer: Authorizer
    limits: Limits
    audit: AuditSink
    denied: DeniedRequests
    where: Callable[[str], str]
    clock: Clock


def api_interceptors(policy: AccessPolicy, bindings: Bindings, route_to_owner: Interceptor) -> tuple[Interceptor, ...]:
    """Return the interceptors of every verb, the first outermost; the handler follows the last."""
    return (
        bind_log_context,
        Denials(policy.denied, bindings),
        Authenticate(policy.authorizer),
        RateLimit(policy.limits),
        Authorise(policy.authorizer),
        DecodeBody(bindings),
        FitDeadline(),
        Audit(bindings, policy.audit, policy.where, policy.clock),
        route_to_owner,
    )
