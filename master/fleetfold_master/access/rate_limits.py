"""Rate limits: a token bucket per identity, and one per address for failed attempts.

A bucket holds a minute's worth and fills at a constant rate, so a caller may exceed the rate for a moment but not
on average. A bucket that was not used for a minute is full, and is dropped.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from fleetfold_shared.clock import Clock
from fleetfold_shared.config import AccessConfig
from fleetfold_shared.messages import Role

__all__ = ["Buckets", "Failures", "Limits", "TokenBucket", "Verdict"]

MINUTE_S = 60.0
MOST_BUCKETS = 10_000
"""The least recently used bucket is dropped: unknown callers can use more addresses than there is memory."""
NETWORK_BITS = 64
"""Prefix length of an IPv6 network: its owner chooses the rest of the address."""
ENOUGH = 1 - 1e-9
"""A whole token, up to the rounding error of adding fractions."""


@dataclass(slots=True)
class TokenBucket:
    """`tokens` at the time `at`, at most `per_minute`."""

    per_minute: int
    tokens: float
    at: float

    def fill(self, now: float) -> None:
        """Add the tokens since the last call."""
        self.tokens = min(self.per_minute, self.tokens + max(0.0, now - self.at) * self.per_minute / MINUTE_S)
        self.at = now

    def take(self) -> float:
        """Take a token. Returns 0, or the seconds until there is one."""
        if self.tokens < ENOUGH:
            return (1 - self.tokens) * MINUTE_S / self.per_minute
        self.tokens -= 1
        return 0.0


class Buckets:
    """Buckets by key, in order of last use."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._held: dict[str, TokenBucket] = {}

    def __len__(self) -> int:
        return len(self._held)

    def of(self, key: str, per_minute: int) -> TokenBucket:
        """The bucket, filled up to now; a full one for a new key. A key always has the same limit."""
        now = self._clock.monotonic()
        bucket = self._held.pop(key, None) or TokenBucket(per_minute, per_minute, now)
        bucket.fill(now)
        self._held[key] = bucket
        self._forget(now)
        return bucket

    def known(self, key: str, per_minute: int) -> TokenBucket | None:
        """The bucket, filled up to now, if there is one."""
        return self.of(key, per_minute) if key in self._held else None

    def _forget(self, now: float) -> None:
        """Drop unused buckets from the front; each call removes about as many as it adds."""
        while self._held:
            key, first = next(iter(self._held.items()))
            if now - first.at < MINUTE_S and len(self._held) <= MOST_BUCKETS:
                return
            del self._held[key]


class Verdict(msgspec.Struct, frozen=True):
    """`limit` requests a minute (0: none), `remaining` at once; `retry_after_s` if this request is refused."""

    limit: int
    remaining: int
    retry_after_s: float | None = None


UNLIMITED = Verdict(0, 0)


class Limits:
    """Requests a minute by role. A role without a value, or with 0, has no limit."""

    def __init__(self, per_minute: Mapping[Role, int], clock: Clock) -> None:
        self._per_minute = per_minute
        self._buckets = Buckets(clock)

    @classmethod
    def of(cls, config: AccessConfig, clock: Clock) -> Limits:
        """The configured limits; masters have none."""
        per_minute: dict[Role, int] = {
            "child": config.child_per_minute,
            "reader": config.reader_per_minute,
            "publisher": config.publisher_per_minute,
            "operator": config.operator_per_minute,
            "admin": config.admin_per_minute,
        }
        return cls(per_minute, clock)

    def take(self, name: str, role: Role) -> Verdict:
        """Count a request of `name`. A refused one costs nothing."""
        per_minute = self._per_minute.get(role, 0)
        if not per_minute:
            return UNLIMITED
        bucket = self._buckets.of(f"{role} {name}", per_minute)
        retry_after_s = bucket.take()
        return Verdict(per_minute, int(bucket.tokens), retry_after_s or None)


class Failures:
    """Failed attempts a minute by address; IPv6 addresses count by their /64 network. 0 means no limit."""

    def __init__(self, per_minute: int, clock: Clock) -> None:
        self._per_minute = per_minute
        self._buckets = Buckets(clock)

    def failed(self, source: str) -> None:
        """Count a failed attempt from `source`."""
        if self._per_minute:
            self._buckets.of(_network(source), self._per_minute).take()

    def blocked(self, source: str) -> bool:
        """Whether there were too many lately."""
        bucket = self._buckets.known(_network(source), self._per_minute) if self._per_minute else None
        return bucket is not None and bucket.tokens < ENOUGH


def _network(source: str) -> str:
    try:
        address = ipaddress.ip_address(source)
    except ValueError:
        return source
    if not isinstance(address, ipaddress.IPv6Address):
        return source
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, NETWORK_BITS), strict=False))
