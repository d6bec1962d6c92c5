"""Health checks of a node: whether its index can be read and its ledger written."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

import structlog

from fleetfold_shared.concurrency import ends_within
from fleetfold_shared.errors import FleetfoldError, Unavailable
from fleetfold_shared.messages import NodePart, Problem

__all__ = ["Check", "Health"]

log = structlog.get_logger(__name__)

EVERY_HEARTBEATS = 3
"""Heartbeats between two checks of a working part; a failed one is checked at each."""
CHECK_S = 10.0
"""Seconds after which a check counts as failed, such as one of a disk that hangs."""
APART_S = 0.2
"""Least seconds between two rounds of checks."""
REASON_CHARS = 300

Check = Callable[[bool], Awaitable[None]]
"""Raises a `FleetfoldError` with the problem. True requests a full check, however long it takes."""


class Health:
    """Problems of a node. `watch` runs the checks for ever; `on_change` is called when the problems change.

    A part with a failed operation is checked fully and at once, until its check passes.
    """

    def __init__(self, checks: Mapping[NodePart, Sequence[Check]], on_change: Callable[[], None]) -> None:
        self._checks, self._on_change = checks, on_change
        self._problems: dict[NodePart, str] = {}
        self._suspects: set[NodePart] = set()
        self._wake = asyncio.Event()

    @property
    def problems(self) -> list[Problem]:
        """Present problems, by part."""
        return [Problem(part, reason) for part, reason in sorted(self._problems.items())]

    def need(self, part: NodePart) -> None:
        """Raise `Unavailable` while the part does not work."""
        if part in self._problems:
            raise Unavailable(self._problems[part])

    def suspect(self, part: NodePart) -> None:
        """Have the part checked soon: an operation on it has failed."""
        self._suspects.add(part)
        self._wake.set()

    async def watch(self, heartbeat_s: Callable[[], float]) -> None:
        """Check for ever, at intervals that depend on the heartbeat's."""
        while True:
            heartbeats = 1 if self._problems else EVERY_HEARTBEATS
            await ends_within(heartbeats * heartbeat_s(), self._wake.wait())
            await self.look()
            await asyncio.sleep(APART_S)

    async def look(self) -> None:
        """Run all checks once."""
        self._wake.clear()
        found = {part: await self._reason(part, checks) for part, checks in self._checks.items()}
        problems = {part: reason for part, reason in found.items() if reason}
        self._suspects.intersection_update(problems)
        if problems != self._problems:
            self._problems = problems
            self._log()
            self._on_change()

    async def _reason(self, part: NodePart, checks: Sequence[Check]) -> str:
        """Return the reason why the part does not work; empty when it does."""
        thorough = part in self._suspects or part in self._problems
        try:
            async with asyncio.timeout(CHECK_S):
                for check in checks:
                    await check(thorough)
        except FleetfoldError as error:
            return error.message[:REASON_CHARS]
        except TimeoutError:
            return f"{part}: its check has not ended within {CHECK_S:g} s; look at the disk"
        return ""

    def _log(self) -> None:
        if self._problems:
            log.error("node.error", reason="; ".join(self._problems.values()))
        else:
            log.info("node.works_again")
