"""Message headers of the fleet, and errors in headers as ADR-32 defines them."""

from __future__ import annotations

import msgspec

from fleetfold_broker.connection.subscription import Incoming
from fleetfold_shared.errors import ErrorBody, FleetfoldError, InternalError, InvalidInput, from_body
from fleetfold_shared.integer_parsing import whole_number

__all__ = [
    "CONFIRM",
    "CORRELATION",
    "DEADLINE",
    "ERROR",
    "ERROR_CODE",
    "GATHER",
    "INCARNATION",
    "LAST_PART",
    "LIMIT",
    "MESSAGE_ID",
    "PART",
    "PARTS",
    "REMAINING",
    "RETRY_AFTER",
    "SEAL",
    "STATUS",
    "TRACEPARENT",
    "TRACESTATE",
    "deadline",
    "error_headers",
    "error_of",
    "remaining_s",
]

DEADLINE = "Fleetfold-Deadline-Ms"
"""Milliseconds that remained when the message was sent; an interval, because clocks differ between machines."""
GATHER = "Fleetfold-Gather"
"""Id of the requester: the reply goes to `gather.<requester>.<node>`."""
CORRELATION = "Fleetfold-Request"
"""Number of the requester's round that a reply belongs to."""
INCARNATION = "Fleetfold-Incarnation"
"""Incarnation of the node's process that replies: new at each start."""
SEAL = "Fleetfold-Seal"
"""Proof that a master sent the message: an HMAC in hex, or for a broadcast an ed25519 signature in base64url."""
CONFIRM = "Fleetfold-Confirm"
"""Value that the broker republishes once it has stored the message."""
PARTS = "Fleetfold-Parts"
"""Set when the caller accepts the reply in parts; without it, the whole reply comes at the end."""
PART = "Fleetfold-Part"
"""Number of a part, from 0. The part may be empty: it shows that the server is still working."""
LAST_PART = "Fleetfold-Last-Part"
"""Number of the last part, which is the reply itself."""
LIMIT = "RateLimit-Limit"
"""Requests per minute that the caller may make."""
REMAINING = "RateLimit-Remaining"
"""Requests that the caller may make right now."""
RETRY_AFTER = "Retry-After"
"""Seconds to wait before retrying a request that was refused for now."""
TRACEPARENT = "traceparent"
"""Position of the message in a distributed trace: `<version>-<trace id>-<span id>-<flags>` in hex, as W3C Trace Context
has it. One that is malformed is ignored.
"""
TRACESTATE = "tracestate"
"""Data of tracing systems about that trace."""
MESSAGE_ID = "Nats-Msg-Id"
STATUS = "Status"
ERROR = "Nats-Service-Error"
ERROR_CODE = "Nats-Service-Error-Code"


def deadline(timeout_s: float) -> dict[str, str]:
    """Return the header with the time in which the reply is awaited."""
    return {DEADLINE: str(max(1, int(timeout_s * 1000)))}


def remaining_s(headers: dict[str, str]) -> float | None:
    """Return the seconds that the deadline header leaves, `None` without one. Raises `InvalidInput` for anything but a
    number.
    """
    text = headers.get(DEADLINE)
    if text is None:
        return None
    if (milliseconds := whole_number(text)) is None:
        raise InvalidInput(
            f"{DEADLINE}: expected a whole number of milliseconds, got {text[:20]!r}; leave it out, or send one",
            field=DEADLINE,
        )
    return milliseconds / 1000


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(ErrorBody)


def error_headers(error: FleetfoldError) -> tuple[dict[str, str], bytes]:
    """Return the headers and the body that carry `error`."""
    text = error.message.replace("\r", " ").replace("\n", " ")
    later = {} if error.retry_after_s is None else {RETRY_AFTER: f"{error.retry_after_s:.3f}"}
    return {ERROR: text, ERROR_CODE: str(error.status), **later}, _encoder.encode(error.body())


def error_of(message: Incoming) -> FleetfoldError:
    """Return the error in a reply; `InternalError` for one of a foreign service, which has no body of ours."""
    try:
        return from_body(_decoder.decode(message.data))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        headers = message.headers or {}
        return InternalError(f"the other side says: {headers.get(ERROR, 'nothing more')}")
