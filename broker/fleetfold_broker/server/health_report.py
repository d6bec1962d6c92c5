"""Health of a nats-server as it reports it: by HTTP as `/healthz`, and on the bus as `HEALTHZ`."""

from __future__ import annotations

import msgspec

__all__ = ["HealthProblem", "HealthReport", "in_plain_words", "is_damage"]

NOT_RECOVERED = "could not be recovered"
"""What nats-server says of a stream or consumer whose files it cannot read."""
NO_SPACE = "no space left on device"


class HealthProblem(msgspec.Struct):
    """One problem. `type` is that of the object concerned: `ACCOUNT`, `STREAM`, `CONSUMER` and others."""

    type: str = ""
    error: str = ""


class HealthReport(msgspec.Struct):
    """A report with details: `errors`, or `error` alone where the server gives no list."""

    status: str = ""
    error: str = ""
    errors: list[HealthProblem] = []

    def failure(self) -> str | None:
        """Return the first problem in the server's words; None if it is well.

        Streams of accounts that the server does not have, left by another configuration, are no failure.
        """
        if self.status == "ok":
            return None
        found = [each.error for each in self.errors if each.type != "ACCOUNT"]
        return None if self.errors and not found else next(iter(found), self.error or self.status)


def is_damage(failure: str) -> bool:
    """Tell whether a `failure` is that of damaged files, which a restart does not mend."""
    return NOT_RECOVERED in failure


def in_plain_words(failure: str) -> str:
    """Return what a `failure` means to an operator, followed by the server's words."""
    if NO_SPACE in failure:
        return f"its disk is full ({failure})"
    return f"its store is damaged ({failure})" if is_damage(failure) else failure
