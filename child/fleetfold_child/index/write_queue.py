"""Single writer of a collection: changes that arrive at the same time share one commit."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from fleetfold_child.index.changes import Change
from fleetfold_shared.concurrency import ends_within, fail_if_open, resolve_if_open
from fleetfold_shared.errors import FleetfoldError, Unavailable

__all__ = ["MAX_BATCH", "Writer"]

MAX_BATCH = 1000  # changes in one commit
_WAIT_S = 0.02  # for further changes to arrive

Results = list[bool | FleetfoldError]


class Writer:
    """Queues groups of changes and commits them in order, in batches.

    `commit` gets up to about `MAX_BATCH` changes and returns a result for each. The group of a cancelled caller stays
    in the queue and is written.
    """

    def __init__(self, commit: Callable[[list[Change]], Awaitable[Results]]) -> None:
        self._commit = commit
        self._groups: deque[tuple[Sequence[Change], asyncio.Future[Results]]] = deque()
        self._waiting = 0
        self._closed = False
        self._wake = asyncio.Event()
        self._full = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    async def submit(self, changes: Sequence[Change]) -> Results:
        """Write a group and wait until it is durable. Raises the error of a failed commit for all groups in it."""
        if self._closed:
            raise Unavailable("the collection is closed; nothing can be written to it")
        written: asyncio.Future[Results] = asyncio.get_running_loop().create_future()
        self._groups.append((changes, written))
        self._waiting += len(changes)
        self._wake.set()
        if self._waiting >= MAX_BATCH:
            self._full.set()
        return await written

    async def close(self) -> None:
        """Write queued changes, then stop."""
        self._closed = True
        self._wake.set()
        self._full.set()
        await self._task

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            if self._closed and not self._groups:
                return
            await ends_within(_WAIT_S, self._full.wait())
            await self._write(self._take())

    def _take(self) -> list[tuple[Sequence[Change], asyncio.Future[Results]]]:
        batch = [self._groups.popleft()]
        size = len(batch[0][0])
        while self._groups and size + len(self._groups[0][0]) <= MAX_BATCH:
            batch.append(self._groups.popleft())
            size += len(batch[-1][0])
        self._waiting -= size
        if not self._groups and not self._closed:
            self._wake.clear()
        if self._waiting < MAX_BATCH and not self._closed:
            self._full.clear()
        return batch

    async def _write(self, batch: list[tuple[Sequence[Change], asyncio.Future[Results]]]) -> None:
        changes = [change for group, _ in batch for change in group]
        try:
            results = iter(await self._commit(changes))
        except Exception as error:  # noqa: BLE001 - callers get any error, and the writer goes on
            for _, written in batch:
                fail_if_open(written, error)
            return
        for group, written in batch:
            resolve_if_open(written, [next(results) for _ in group])
