"""`$SRV.PING`, `$SRV.INFO` and `$SRV.STATS` as ADR-32 has them, so that `nats micro ls` sees the fleet."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

from fleetfold_broker.bus import Bus
from fleetfold_broker.subscription import Incoming
from fleetfold_shared.ids import new_id

__all__ = ["EndpointStats", "Introspection"]

TYPE = "io.nats.micro.v1.{}_response"


class EndpointStats:
    """What one endpoint has done since the start; durations in nanoseconds, as the specification asks."""

    def __init__(self, name: str, subject: str, queue: str) -> None:
        self.name, self.subject, self.queue = name, subject, queue
        self.requests = self.errors = self.nanoseconds = 0
        self.last_error = ""

    def count(self, seconds: float, error: str | None) -> None:
        """Record one request served."""
        self.requests += 1
        self.nanoseconds += int(seconds * 1e9)
        if error is not None:
            self.errors += 1
            self.last_error = error

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
        }


class Introspection:
    """One service instance as seen from outside."""

    def __init__(self, bus: Bus, name: str, version: str, description: str) -> None:
        self._bus = bus
        self._identity = {"name": name, "id": new_id(), "version": version, "metadata": {}}
        self._description = description
        self._started = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        self._endpoints: list[EndpointStats] = []

    def add(self, name: str, subject: str, queue: str) -> EndpointStats:
        """A new endpoint's counters."""
        self._endpoints.append(EndpointStats(name, subject, queue))
        return self._endpoints[-1]

    async def start(self) -> list[Callable[[], Awaitable[None]]]:
        """Answer on `$SRV.<VERB>`, `$SRV.<VERB>.<name>` and `$SRV.<VERB>.<name>.<id>`; returns what ends that."""
        name, id_ = self._identity["name"], self._identity["id"]
        verbs = {"PING": self._ping, "INFO": self._info, "STATS": self._stats}
        return [
            await self._bus.subscribe(f"$SRV.{verb}{suffix}", self._answer(body))
            for verb, body in verbs.items()
            for suffix in ("", f".{name}", f".{name}.{id_}")
        ]

    def _answer(self, body: Callable[[], dict[str, Any]]) -> Callable[[Incoming], Awaitable[None]]:
        async def reply(message: Incoming) -> None:
            if message.reply.startswith("_INBOX."):
                await self._bus.link.publish(message.reply, msgspec.json.encode(body()))

        return reply

    def _ping(self) -> dict[str, Any]:
        return {**self._identity, "type": TYPE.format("ping")}

    def _info(self) -> dict[str, Any]:
        endpoints = [endpoint.info() for endpoint in self._endpoints]
        return {
            **self._identity,
            "type": TYPE.format("info"),
            "description": self._description,
            "endpoints": endpoints,
        }

    def _stats(self) -> dict[str, Any]:
        endpoints = [endpoint.stats() for endpoint in self._endpoints]
        return {**self._identity, "type": TYPE.format("stats"), "started": self._started, "endpoints": endpoints}
