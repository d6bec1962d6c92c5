"""The errors a caller of the fleet can meet: see the tree in `fleetfold_shared.errors`."""

from __future__ import annotations

from fleetfold_shared.errors import (
    Conflict,
    DeadlineExceeded,
    FleetfoldError,
    Forbidden,
    InternalError,
    InvalidInput,
    NotFound,
    Overloaded,
    RateLimited,
    TooLarge,
    Unauthenticated,
    Unavailable,
    Untrusted,
)

__all__ = [
    "Conflict",
    "DeadlineExceeded",
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
]
