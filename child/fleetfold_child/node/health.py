"""A node's own checks: whether its index can be read and its ledger written, and if not, why."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence

import structlog

from fleetfold_shared.errors import FleetfoldError, Unavailable
from fleetfold_shared.messages import NodePart, Problem

__all__ = ["Check", "Health"]

log = structlog.get_logger(__name__)

EVERY_BEATS = 3
"""A part that works is checked each third heartbeat, one that does not at each."""
CHECK_S = 10.0
"""A check that takes longer counts as failed: a disk that hangs answers nobody."""
APART_S = 0.2
"""Between two rounds of checks, however many operations fail meanwhile."""
REASON_CHARS = 300

Check = Callable[[bool], Awaitable[None]]
"""Raises a `FleetfoldError` that says what is wrong. True asks it to look at everything, whatever that takes."""


class Health:
    """The problems of a node. `watch` runs the checks for ever; `on_change` is told when the problems are others.

    A part of which an operation has failed is checked thoroughly and at once, and until that check passes.
    """

    def __init__(self, checks: Mapping[NodePart, Sequence[Check]], on_change: Callable[[], None]) -> None:
        self._checks, self._on_change = checks, on_change
        self._problems: dict[NodePart, str] = {}
        self._suspects: set[NodePart] = set()
        self._wake = asyncio.Event()

    @property
    def problems(self) -> list[Problem]:
        """What does not work now."""
        return [Problem(part, reason) for part, reason in sorted(self._problems.items())]

    def need(self, part: NodePart) -> None:
        """`Unavailable` while the part does not work."""
        if part in self._problems:
            raise Unavailable(self._problems[part])

    def suspect(self, part: NodePart) -> None:
        """An operation on the part has failed: check it soon."""
        self._suspects.add(part)
        self._wake.set()

    async def watch(self, heartbeat_s: Callable[[], float]) -> None:
        """Check for ever, by the heartbeat's interval."""
        while True:
            beats = 1 if self._problems else EVERY_BEATS
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(beats * heartbeat_s()):
                    await self._wake.wait()
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
        """Why the part does not work; empty when it does."""
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
