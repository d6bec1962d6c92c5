"""The node's pipelines, each one list read from the top: what every request and every command passes, and in which
order. A new concern is one file beside this one, and one entry here.
"""

from __future__ import annotations

from fleetfold_broker.identity.seal_check import SealCheck
from fleetfold_broker.rpc.interceptors import bind_log_context, drop_late_reply, skip_empty
from fleetfold_broker.rpc.pipeline import Interceptor
from fleetfold_child.interceptors.request_decoding import decode_request

__all__ = ["request_interceptors"]


def request_interceptors(seals: SealCheck) -> list[Interceptor]:
    """Return the interceptors of searches, calls and broadcasts.

    Before them the request server drops what is past its deadline and limits how many run at once, and it counts every
    request by its end. A node keeps no audit of requests: of a cancellation, the ledger has who wanted it.
    """
    return [
        bind_log_context,
        skip_empty,
        drop_late_reply,
        seals,
        decode_request,
    ]
