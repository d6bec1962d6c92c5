"""Error classes, with all that a user can meet:

    FleetfoldError
    ├── InvalidInput          the caller's input is wrong; names the field            exit 2
    ├── NotFound              no such node, action, collection, job, transaction      exit 2
    ├── Conflict              the name, the data directory or the port is taken       exit 1
    ├── Unauthenticated       the credentials are missing, unknown, expired, revoked  exit 1
    ├── Forbidden             the identity may not do this                            exit 1
    ├── RateLimited           too many requests; says when to try again               exit 1
    ├── Untrusted             TLS: the certificate of one side is not accepted         exit 1
    ├── TooLarge              the body is over the broker's limit                     exit 2
    ├── Overloaded            a queue or a limit is full; try again later             exit 1
    ├── Unavailable           the broker, the master or the node is not there         exit 1
    ├── DeadlineExceeded      no answer within the time allowed                       exit 1
    └── InternalError         a defect on the other side; its log has the details     exit 1

`code` is stable and part of the wire format; `status` is the number ADR-32 asks for (HTTP's meanings);
`message` says what happened and what to do, in one line.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

__all__ = [
    "Conflict",
    "DeadlineExceeded",
    "ErrorBody",
    "FleetfoldError",
    "Forbidden",
    "InternalError",
    "InvalidInput",
    "NotFound",
    "Overloaded",
    "RateLimited",
    "TooLarge",
    "Unauthenticated",
    "Unavailable",
    "Untrusted",
    "from_body",
]


class ErrorBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """An error on the wire: `code` selects the class, `field` names the offending input, if any.

    `retry_after_s` is the time in seconds to wait before retrying a request that was refused for now.
    """

    code: str
    message: str
    field: str | None = None
    retry_after_s: float | None = None


class FleetfoldError(Exception):
    """Base of all errors of the fleet."""

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, field: str | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.retry_after_s = retry_after_s

    def body(self) -> ErrorBody:
        """Return the error's wire format."""
        return ErrorBody(self.code, self.message, self.field, self.retry_after_s)


class InvalidInput(FleetfoldError):
    """The input is wrong: correct the named field and call again."""

    code, status, exit_code = "invalid_input", 400, 2


class NotFound(FleetfoldError):
    """Nothing has that name: list what there is."""

    code, status, exit_code = "not_found", 404, 2


class Conflict(FleetfoldError):
    """The name or resource is taken: choose another, or stop its holder."""

    code, status = "conflict", 409


class Unauthenticated(FleetfoldError):
    """The broker or the master does not accept the credentials: get new ones."""

    code, status = "unauthenticated", 401


class Forbidden(FleetfoldError):
    """The identity may not do this: use another, or have its role or scopes widened."""

    code, status = "forbidden", 403


class Untrusted(FleetfoldError):
    """A certificate of one side is not accepted in TLS: give the right files."""

    code, status = "untrusted", 495


class RateLimited(FleetfoldError):
    """Too many requests: wait `retry_after_s`, then try again."""

    code, status = "rate_limited", 429


class TooLarge(FleetfoldError):
    """The body is over the broker's limit: send less, or raise `max_payload` on the broker."""

    code, status, exit_code = "too_large", 413, 2


class Overloaded(FleetfoldError):
    """A queue or a limit is full: wait, for `retry_after_s` if given, then try again."""

    code, status = "overloaded", 507


class Unavailable(FleetfoldError):
    """The broker, the master or the node cannot be reached: start it, or check the address."""

    code, status = "unavailable", 503


class DeadlineExceeded(FleetfoldError):
    """No reply came in time: allow more time, or look at the node."""

    code, status = "deadline_exceeded", 504


class InternalError(FleetfoldError):
    """The other side failed unexpectedly: its log has the details."""

    code = "internal"


_BY_CODE: dict[str, type[FleetfoldError]] = {
    kind.code: kind
    for kind in (
        InvalidInput, NotFound, Conflict, Unauthenticated, Forbidden, RateLimited, Untrusted, TooLarge, Overloaded,
        Unavailable, DeadlineExceeded, InternalError,
    )
}  # fmt: skip


def from_body(body: ErrorBody) -> FleetfoldError:
    """Return the exception for an `ErrorBody`; an unknown code (of a newer peer) becomes `InternalError`."""
    kind = _BY_CODE.get(body.code, InternalError)
    return kind(body.message, field=body.field, retry_after_s=body.retry_after_s)
