"""Recurrence of schedules: the times of a cron expression in a time zone, or a fixed interval in seconds.

A planned time is a whole Unix second. Where clocks are put forward or back, a cron expression behaves as Debian's cron
does: a time that does not exist that day is made up for at the first moment after the gap, and one that exists twice
counts once, the first time. Expressions whose minute or hour begins with `*` follow the clock as it goes: they are
due in both of the two equal hours.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from fleetfold_shared.errors import InvalidInput

__all__ = ["Recurrence", "zone"]

FIELDS = 5
FIRST, LAST = datetime(1971, 1, 1, tzinfo=UTC).timestamp(), datetime(9000, 1, 1, tzinfo=UTC).timestamp()
"""Range of Unix seconds within which every time zone can convert a time."""


def zone(name: str) -> ZoneInfo:
    """Return the time zone of an IANA name. Raises `InvalidInput` for the field `timezone`."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise InvalidInput(
            f"timezone: there is no {name[:80]!r}; write an IANA name such as Europe/Berlin, or UTC", field="timezone"
        ) from None


@dataclass(frozen=True, slots=True)
class Recurrence:
    """Times of `cron` in `timezone`, or every `every_s` seconds from `anchor`; within `not_before` and `not_after`,
    both included.

    Each time is delayed by up to `jitter_s`, drawn from `name` and the time itself, so every master computes the same
    delay. Call `Recurrence.check` before use.
    """

    name: str
    cron: str | None
    every_s: int | None
    timezone: str
    anchor: int
    jitter_s: float = 0.0
    not_before: float | None = None
    not_after: float | None = None

    def check(self) -> None:
        """Raise `InvalidInput` for a field with an invalid value."""
        zone(self.timezone)
        if (self.cron is None) == (self.every_s is None):
            raise InvalidInput("cron: give a cron expression or every_s, one of them", field="cron")
        if self.every_s is not None and self.jitter_s >= self.every_s:
            raise InvalidInput("jitter_s: it must be shorter than every_s", field="jitter_s")
        for field, at in (("not_before", self.not_before), ("not_after", self.not_after)):
            if at is not None and not FIRST <= at <= LAST:
                raise InvalidInput(f"{field}: {at:g} is no time in Unix seconds of our age", field=field)
        if self.cron is not None:
            self._check_cron(self.cron)

    def next(self, after: float) -> int | None:
        """Return the first planned time after `after` (Unix seconds); `None` when there is none."""
        return next(self.times(after), None)

    def times(self, after: float) -> Iterator[int]:
        """Yield the planned times after `after`, in order."""
        if self.not_before is not None:
            after = max(after, math.ceil(self.not_before) - 1)
        for at in self._every(after) if self.cron is None else self._cron(after):
            if self.not_after is not None and at > self.not_after:
                return
            yield at

    def latest(self, after: float, until: float, most: int) -> tuple[list[int], bool]:
        """Return the last `most` planned times after `after` up to `until`, in order, and whether those are all.

        Takes a few times `most` steps, however long ago `after` was.
        """
        found = self._until(after, until, most + 1)
        if len(found) <= most:
            return found, True
        start = max(after, self._steps_back(until, most + 1))
        return self._until(start, until)[-most:], False

    def due_at(self, planned: int) -> float:
        """Return the time to fire: the planned time plus its jitter."""
        if not self.jitter_s:
            return float(planned)
        drawn = int.from_bytes(sha256(f"{self.name} {planned}".encode()).digest()[:8])
        return planned + self.jitter_s * drawn / 2**64

    def _until(self, after: float, until: float, most: int | None = None) -> list[int]:
        return list(islice(takewhile(lambda at: at <= until, self.times(after)), most))

    def _every(self, after: float) -> Iterator[int]:
        assert self.every_s is not None
        first = self.anchor if self.not_before is None else math.ceil(self.not_before)
        count = 0 if after < first else (math.floor(after) - first) // self.every_s + 1
        while True:
            yield first + count * self.every_s
            count += 1

    def _cron(self, after: float) -> Iterator[int]:
        """Yield the times of the cron expression. After a clock change the library repeats a time or returns a past
        one: both are skipped.
        """
        assert self.cron is not None
        for moment in CronSim(self.cron, datetime.fromtimestamp(after, zone(self.timezone))):
            if (at := int(moment.timestamp())) > after:
                yield at
                after = at

    def _steps_back(self, until: float, steps: int) -> float:
        """Return a time with at least about `steps` planned ones between it and `until`."""
        if self.cron is None:
            assert self.every_s is not None
            return until - steps * self.every_s
        backwards = CronSim(self.cron, datetime.fromtimestamp(until + 1, zone(self.timezone)), reverse=True)
        last = until
        for moment in islice(backwards, steps):
            last = moment.timestamp() - 1
        return last

    def _check_cron(self, cron: str) -> None:
        if (fields := len(cron.split())) != FIELDS:
            raise _no_cron(cron, f"it has {fields} fields")
        try:
            possible = next(CronSim(cron, datetime.now(UTC)), None)
        except CronSimError as error:
            raise _no_cron(cron, str(error)) from None
        if possible is None:
            raise InvalidInput(f"cron: {cron[:80]!r} is never due; look at its day and month", field="cron")


def _no_cron(cron: str, reason: str) -> InvalidInput:
    return InvalidInput(
        f"cron: {cron[:80]!r}: {reason[:1].lower()}{reason[1:]}; write minute, hour, day of the month, month and day "
        "of the week, such as '30 3 * * MON-FRI'",
        field="cron",
    )
