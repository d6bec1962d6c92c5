"""Service discovery data of one instance: the bodies of `$SRV.PING`, `.INFO` and `.STATS`, as ADR-32 defines them.

Masters answer with them for themselves and for the nodes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from fleetfold_shared.ids import new_id

__all__ = ["EndpointStats", "Exit", "Introspection", "utc_now"]

TYPE = "io.nats.micro.v1.{}_response"


Exit = Literal["replied", "past_deadline", "refused", "caller_gone", "cancelled"]
"""How a request ends, other than with the code of an error: with a reply (or none, as its verb has it), dropped because
its caller waited no longer when its turn came, refused by admission, or cancelled because its caller or this service
went away.
"""


class EndpointStats:
    """Counters of one endpoint since the start; durations in nanoseconds, as ADR-32 requires.

    `exits` counts every request that arrived by its one end: an `Exit`, or the code of its error.
    """

    def __init__(self, name: str, subject: str, queue: str) -> None:
        self.name, self.subject, self.queue = name, subject, queue
        self.requests = self.errors = self.nanoseconds = 0
        self.last_error = ""
        self.exits: Counter[str] = Counter()

    def drop(self, ended: Exit) -> None:
        """Record a request that ended without being served."""
        self.exits[ended] += 1

    def count(self, ended: Exit | str, seconds: float, error: str | None = None) -> None:
        """Record one request served, and the text of its error."""
        self.exits[ended] += 1
        self.requests += 1
        self.nanoseconds += int(seconds * 1e9)
        if error is not None:
            self.errors += 1
            self.last_error = error

    def report(self, requests: int, errors: int, nanoseconds: int, last_error: str) -> None:
        """Take over the counters of another process, on whose behalf this one answers."""
        self.requests, self.errors, self.nanoseconds, self.last_error = requests, errors, nanoseconds, last_error

    def info(self) -> dict[str, Any]:
        return {"name": self.name, "subject": self.subject, "queue_group": self.queue, "metadata": {}}

    def stats(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "subject": self.subject,
            "queue_group": self.queue,
            "num_requests": self.requests,
            "num_errors": self.errors,
            "last_error": self.last_error,
            "processing_time": self.nanoseconds,
            "average_processing_time": self.nanoseconds // max(1, self.requests),
            "data": {"exits": dict(self.exits)},
        }


class Introspection:
    """One service instance. `id` is new at each start; `started` is an ISO 8601 time."""

    def __init__(
        self,
        name: str,
        version: str,
        description: str = "",
        *,
        id: str | None = None,
        started: str | None = None,
    ) -> None:
        self.name, self.id, self.version, self.description = name, id or new_id(), version, description
        self.started = started or utc_now()
        self.endpoints: list[EndpointStats] = []

    def add(self, name: str, subject: str, queue: str) -> EndpointStats:
        """Add an endpoint and return its counters."""
        self.endpoints.append(EndpointStats(name, subject, queue))
        return self.endpoints[-1]

    def answer(self, subject: str) -> bytes | None:
        """Return the body for a request on `$SRV.<verb>`, `$SRV.<verb>.<name>` or `$SRV.<verb>.<name>.<id>`; `None`
        when it is not for this instance.
        """
        verb, *who = subject.split(".")[1:]
        body = self._bodies().get(verb)
        if body is None or who != [self.name, self.id][: len(who)] or len(who) > 2:
            return None
        identity = {"name": self.name, "id": self.id, "version": self.version, "metadata": {}}
        return msgspec.json.encode({**identity, "type": TYPE.format(verb.lower()), **body()})

    def _bodies(self) -> dict[str, Callable[[], dict[str, Any]]]:
        return {"PING": dict, "INFO": self._info, "STATS": self._stats}

    def _info(self) -> dict[str, Any]:
        return {"description": self.description, "endpoints": [endpoint.info() for endpoint in self.endpoints]}

    def _stats(self) -> dict[str, Any]:
        return {"started": self.started, "endpoints": [endpoint.stats() for endpoint in self.endpoints]}


def utc_now() -> str:
    """Return the current time in ISO 8601, as ADR-32 writes it."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")
