"""How often somebody may ask: a token bucket for each identity, and one for the failures of each address.

A bucket holds a minute's worth and fills at an even pace, so a caller may be quick for a moment, and on average no
quicker than the limit. One that nobody has used for a minute is full again, and is forgotten.
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
"""The one unused for longest gives way: strangers can come from more addresses than there is memory."""
NETWORK_BITS = 64
"""Of an IPv6 address: the rest is its owner's to choose."""
ENOUGH = 1 - 1e-9
"""A whole token, but for what adding fractions up has lost."""


@dataclass(slots=True)
class TokenBucket:
    """`tokens` at the time `at`, of `per_minute` at the most."""

    per_minute: int
    tokens: float
    at: float

    def fill(self, now: float) -> None:
        """Add what has come since the last time."""
        self.tokens = min(self.per_minute, self.tokens + max(0.0, now - self.at) * self.per_minute / MINUTE_S)
        self.at = now

    def take(self) -> float:
        """Take a token: 0, or the seconds until there is one."""
        if self.tokens < ENOUGH:
            return (1 - self.tokens) * MINUTE_S / self.per_minute
        self.tokens -= 1
        return 0.0


class Buckets:
    """Buckets by key, the one used last at the end."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._held: dict[str, TokenBucket] = {}

    def __len__(self) -> int:
        return len(self._held)

    def of(self, key: str, per_minute: int) -> TokenBucket:
        """The bucket, filled up to now; a full one for a key that is new. A key has always the same limit."""
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
        """From the front, where those wait that nobody has used for longest; each call does what it has added."""
        while self._held:
            key, first = next(iter(self._held.items()))
            if now - first.at < MINUTE_S and len(self._held) <= MOST_BUCKETS:
                return
            del self._held[key]


class Verdict(msgspec.Struct, frozen=True):
    """`limit` requests a minute (0: no limit), `remaining` at once; `retry_after_s` when this one is refused."""

    limit: int
    remaining: int
    retry_after_s: float | None = None


UNLIMITED = Verdict(0, 0)


class Limits:
    """Requests a minute by role. A role that is not named, or with 0, has no limit."""

    def __init__(self, per_minute: Mapping[Role, int], clock: Clock) -> None:
        self._per_minute = per_minute
        self._buckets = Buckets(clock)

    @classmethod
    def of(cls, config: AccessConfig, clock: Clock) -> Limits:
        """Those of the configuration; masters have none."""
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
    """Failed attempts a minute by address; an IPv6 address counts with its network of 64 bits. 0 is no limit."""

    def __init__(self, per_minute: int, clock: Clock) -> None:
        self._per_minute = per_minute
        self._buckets = Buckets(clock)

    def failed(self, source: str) -> None:
        """Count a failure from `source`."""
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
