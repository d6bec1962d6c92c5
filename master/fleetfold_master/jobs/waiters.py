"""Waiters for the ends of many jobs at once; without waiters, an end costs nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from fleetfold_shared.messages import Job

__all__ = ["CompletionWaiters", "Watch"]


class Watch:
    """The watched jobs that have ended since the watch began."""

    def __init__(self) -> None:
        self.some = asyncio.Event()
        self.ended: dict[str, Job] = {}


class CompletionWaiters:
    """All watches, by job."""

    def __init__(self) -> None:
        self._watches: dict[str, list[Watch]] = {}

    @contextmanager
    def watch(self, keys: Collection[str]) -> Iterator[Watch]:
        """Watch the ends of these jobs."""
        watch = Watch()
        for key in keys:
            self._watches.setdefault(key, []).append(watch)
        try:
            yield watch
        finally:
            for key in keys:
                self._forget(key, watch)

    def tell(self, key: str, view: Callable[[], Job]) -> None:
        """Notify watchers that the job `key` has ended."""
        if watches := self._watches.pop(key, None):
            job = view()
            for watch in watches:
                watch.ended[key] = job
                watch.some.set()

    def _forget(self, key: str, watch: Watch) -> None:
        watches = self._watches.get(key)
        if watches is not None and watch in watches:
            watches.remove(watch)
            if not watches:
                del self._watches[key]
