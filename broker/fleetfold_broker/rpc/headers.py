"""The headers that travel, and errors in them as ADR-32 has it."""

from __future__ import annotations

import msgspec

from fleetfold_broker.connection.subscription import Incoming
from fleetfold_shared.errors import ErrorBody, FleetfoldError, InternalError, InvalidInput, from_body
from fleetfold_shared.whole_numbers import whole_number

__all__ = [
    "CORRELATION",
    "DEADLINE",
    "ERROR",
    "ERROR_CODE",
    "GATHER",
    "KEPT",
    "LAST_PART",
    "LIMIT",
    "MESSAGE_ID",
    "PART",
    "PARTS",
    "REMAINING",
    "RETRY_AFTER",
    "SEAL",
    "STATUS",
    "deadline",
    "error_headers",
    "error_of",
    "remaining_s",
]

DEADLINE = "Fleetfold-Deadline-Ms"
"""Milliseconds that remained when the message was sent: clocks differ, intervals do not."""
GATHER = "Fleetfold-Gather"
"""Who gathers: the answer goes to `gather.<this>.<node>`."""
CORRELATION = "Fleetfold-Request"
"""Which of the gatherer's questions an answer belongs to."""
SEAL = "Fleetfold-Seal"
"""Proof that a master has sent the message: an HMAC in hex, or for a broadcast an ed25519 signature in base64url."""
KEPT = "Fleetfold-Kept"
"""What the broker is to repeat once it has stored the message."""
PARTS = "Fleetfold-Parts"
"""The caller takes the reply in parts, as it comes; without it, it gets the whole answer at the end."""
PART = "Fleetfold-Part"
"""The number of a part, from 0. It may be empty: it says that the other side is at work."""
LAST_PART = "Fleetfold-Last-Part"
"""The number of the last part, which is the answer itself."""
LIMIT = "RateLimit-Limit"
"""How many requests a minute the caller may make."""
REMAINING = "RateLimit-Remaining"
"""How many of them it may make at once."""
RETRY_AFTER = "Retry-After"
"""In how many seconds to ask again, when a request is only refused for now."""
MESSAGE_ID = "Nats-Msg-Id"
STATUS = "Status"
ERROR = "Nats-Service-Error"
ERROR_CODE = "Nats-Service-Error-Code"


def deadline(timeout_s: float) -> dict[str, str]:
    """The header that says how long the answer is waited for."""
    return {DEADLINE: str(max(1, int(timeout_s * 1000)))}


def remaining_s(headers: dict[str, str]) -> float | None:
    """The seconds that the deadline header leaves; `None` without one. `InvalidInput` for anything but a number."""
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
    """The headers and the body that carry `error`."""
    text = error.message.replace("\r", " ").replace("\n", " ")
    later = {} if error.retry_after_s is None else {RETRY_AFTER: f"{error.retry_after_s:.3f}"}
    return {ERROR: text, ERROR_CODE: str(error.status), **later}, _encoder.encode(error.body())


def error_of(message: Incoming) -> FleetfoldError:
    """The error a reply carries; one from a foreign service, which has no body of ours, is an `InternalError`."""
    try:
        return from_body(_decoder.decode(message.data))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        headers = message.headers or {}
        return InternalError(f"the other side says: {headers.get(ERROR, 'nothing more')}")
