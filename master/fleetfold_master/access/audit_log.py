"""The audit log: who did what to which node, when, with which outcome, and from where.

Entries added by `note` are written a moment later, many at once; `write` returns when its entry is committed. No
entry contains a secret: callers pass names and ids.
"""

from __future__ import annotations

import asyncio

import structlog

from fleetfold_master.access.audit_rows import added, older, older_of, read_entries
from fleetfold_master.store import Store
from fleetfold_shared.clock import Clock
from fleetfold_shared.concurrency import BackgroundTasks, UncancelledTasks, ends_within
from fleetfold_shared.config import RetentionConfig
from fleetfold_shared.messages import AuditEntry, AuditList, AuditListed, AuditOutcome
from fleetfold_shared.redaction import Redactor

__all__ = ["AuditLog", "audit_entry"]

log = structlog.get_logger(__name__)

FLUSH_S = 0.05
DAY_S = 86_400
LOOK_S = 1.0
"""Interval in seconds at which a waiting reader looks for entries of other masters."""
MOST_WAITING = 10_000
"""Entries kept while the store fails; later ones are only logged. Entries of reads take at most half of that."""
MOST_CHARS = {"who": 63, "what": 63, "role": 16, "target": 255, "reason": 255, "source": 255}


READS = ("search.query", "ask.question", "nodes.ping")
"""Frequent verbs that change nothing: their entries have a retention time of their own."""


# These three take an entry's columns by keyword: most callers give two or three of them, and the value object would be
# the entry itself.
def audit_entry(
    at: float, who: str, what: str, outcome: AuditOutcome, *,
    role: str = "", node: str = "", target: str = "", reason: str = "", source: str = "", ms: float | None = None,
) -> AuditEntry:  # fmt: skip
    """An entry, with its texts cut to their columns."""
    texts = {"who": who, "what": what, "role": role, "target": target, "reason": reason, "source": source}
    fitting = {name: text and _fitting(text, MOST_CHARS[name]) for name, text in texts.items()}
    return AuditEntry(seq=0, at=at, outcome=outcome, node=node, ms=ms, **fitting)


class AuditLog:
    """The log in the master's store. `close` writes what is waiting. `redact` is applied to reasons."""

    def __init__(
        self, store: Store, clock: Clock, retention: RetentionConfig | None = None, redact: Redactor | None = None
    ) -> None:
        self._store, self._clock, self._redact = store, clock, redact or Redactor()
        durations = retention or RetentionConfig()
        self._retention_s, self._reads_retention_s = durations.audit_days * DAY_S, durations.audit_reads_days * DAY_S
        self._keeps_reads = durations.audit_reads_days > 0
        self._waiting: list[AuditEntry] = []
        self._written = asyncio.Event()
        self._flushing = asyncio.Lock()
        self._soon: asyncio.Task[None] | None = None
        self._tasks = BackgroundTasks()
        self._uncancelled = UncancelledTasks()

    def note(
        self, who: str, what: str, outcome: AuditOutcome, *,
        role: str = "", node: str = "", target: str = "", reason: str = "", source: str = "", ms: float | None = None,
    ) -> None:  # fmt: skip
        """Add an entry, to be written within a moment. `node` may name several, separated by commas."""
        if what in READS and (not self._keeps_reads or len(self._waiting) >= MOST_WAITING // 2):
            return
        entry = audit_entry(
            self._clock.wall(), who, what, outcome, role=role, node=node, target=target, reason=self._redact(reason),
            source=source, ms=ms,
        )  # fmt: skip
        if len(self._waiting) >= MOST_WAITING:
            log.error("audit.lost", who=entry.who, what=entry.what, outcome=outcome, node=node, reason=entry.reason)
            return
        self._waiting.append(entry)
        if self._soon is None or self._soon.done():
            self._soon = self._tasks.spawn(self._flush_soon())

    async def write(
        self, who: str, what: str, outcome: AuditOutcome, *,
        role: str = "", node: str = "", target: str = "", reason: str = "", source: str = "", ms: float | None = None,
    ) -> None:  # fmt: skip
        """Add an entry, and return when it is committed."""
        self.note(who, what, outcome, role=role, node=node, target=target, reason=reason, source=source, ms=ms)
        await self.flush()

    async def flush(self) -> None:
        """Commit all waiting entries. If that fails, they are kept for the next call."""
        await self._uncancelled.run(self._flush())

    async def list(self, ask: AuditList) -> AuditListed:
        """Matching entries, oldest first; with `ask.after`, wait for the first one for at most `ask.wait_ms`."""
        await self.flush()
        until = asyncio.get_running_loop().time() + ask.wait_ms / 1000
        while True:
            written = self._written
            entries = await read_entries(self._store, ask)
            left_s = until - asyncio.get_running_loop().time()
            if entries or ask.after is None or left_s <= 0:
                return AuditListed(entries=entries)
            await ends_within(min(left_s, LOOK_S), written.wait())

    async def prune(self) -> None:
        """Delete entries older than the retention time."""
        now = self._clock.wall()
        await self._store.write(
            older(now - self._retention_s), older_of(READS, now - min(self._retention_s, self._reads_retention_s))
        )

    async def close(self) -> None:
        """Write the waiting entries."""
        await self._tasks.cancel()
        await self.flush()

    async def _flush(self) -> None:
        async with self._flushing:
            entries, self._waiting = self._waiting, []
            if not entries:
                return
            try:
                await self._store.write(added(entries))
            except BaseException:
                self._waiting = entries + self._waiting
                raise
        self._written.set()
        self._written = asyncio.Event()

    async def _flush_soon(self) -> None:
        await self._clock.sleep(FLUSH_S)
        self._soon = None  # entries added from here on need a flush of their own
        await self.flush()


def _fitting(text: str, most: int) -> str:
    """One line without characters that databases reject, cut to its column."""
    if len(text) <= most and text.isprintable():
        return text
    printable = "".join(char if char.isprintable() else "?" for char in text[: most + 1])
    return printable if len(printable) <= most else f"{printable[: most - 1]}…"
