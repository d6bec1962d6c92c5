"""Group commit: a thread that owns a database connection and lets concurrent callers share commits and their fsyncs.

Callers on the event loop submit functions of the connection. While the thread works on one batch, the next one
collects; so under load more operations share a commit, and a single one does not wait. All bookkeeping is on the event
loop's side and needs no locks: the thread sees one queue of complete batches, and reports each with one wake-up of the
loop.

A `lease` holds one transaction open over several awaits, for one caller. Leases and batches take turns,
a few leases to a batch.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Generic, TypeVar

from fleetfold_shared.concurrency import UncancellableFuture, await_uncancelled
from fleetfold_storage.writer_thread import Batch, C, Connection, Operation, Outcome, WriterThread

__all__ = ["Connection", "GroupCommit", "Lease"]


T = TypeVar("T")

_LEASES_IN_A_ROW = 4
"""Most leases granted before a waiting batch, which grows meanwhile, so that fewer commits are needed."""

_held: ContextVar[Lease[Any] | None] = ContextVar("lease", default=None)


class Lease(Generic[C]):
    """An open transaction of one caller, ended by `commit` or `roll_back`; all other operations wait until then."""

    def __init__(self, writer: WriterThread[C], begin: Callable[[C], object], release: Callable[[], None]) -> None:
        self._writer = writer
        self._begin = begin
        self._release = release
        self._begun = False
        self.open = True

    async def run(self, function: Callable[[C], T]) -> T:
        """Run `function` in the writer's thread, inside the transaction. Its error leaves the transaction open."""
        return await self._submit(lambda connection: function(self._in_transaction(connection)))

    async def commit(self, last: Callable[[C], T]) -> T:
        """Run `last` in the transaction, commit and end it, and return its value; if either fails, roll back and raise.

        A caller that is cancelled here does not know whether it was committed.
        """

        def finish(connection: C) -> T:
            try:
                value = last(self._in_transaction(connection))
            except BaseException:
                self._writer.roll_back()
                raise
            self._writer.commit(connection)
            return value

        return await self._end(finish)

    def roll_back(self) -> None:
        """Roll back and end the transaction, if it has not ended.

        Returns at once: the thread works in order, so no later operation overtakes the rollback.
        """
        if self.open:
            self._end(self._writer.roll_back)

    def _in_transaction(self, connection: C) -> C:
        """Begin the transaction with its first statement, which saves a round trip to the thread."""
        if not self._begun:
            self._begin(connection)
            self._begun = True
        return connection

    def _end(self, how: Callable[[C], T]) -> asyncio.Future[T]:
        ended = self._submit(how)
        self.open = False
        ended.add_done_callback(lambda _: self._release())
        return ended

    def _submit(self, function: Callable[[C], T]) -> asyncio.Future[T]:
        if not self.open:
            raise RuntimeError("this transaction has ended")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._writer.queue.put(Operation(function, future))
        return future


class GroupCommit(Generic[C]):
    """The single writer of a database, bound to the event loop of its first use.

    `connect` is called in the writer's thread, at the first operation and again after a connection broke; `begin`, if
    given, opens each transaction. `batch` is the largest number of operations per commit. `broken` tells whether a
    failed connection's server is out of reach; uncommitted operations are then repeated on a new connection.
    """

    def __init__(
        self,
        connect: Callable[[], C],
        *,
        begin: Callable[[C], object] = lambda connection: None,  # noqa: ARG005  # by default it begins by itself
        batch: int = 512,
        name: str = "group-commit",
        broken: Callable[[C], bool] = lambda connection: False,  # noqa: ARG005  # a file is never out of reach
    ) -> None:
        self._writer = WriterThread(connect, begin, self._settle, name, broken)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._begin = begin
        self._limit = batch
        self._pending: list[Operation] = []
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._lease: Lease[C] | None = None
        self._leases_in_a_row = 0
        self._busy = False
        self._woken = False
        self._closed: asyncio.Future[None] | None = None

    async def run(self, function: Callable[[C], T]) -> T:
        """Run `function(connection)` in the next batch and return its result once it is committed.

        `function` runs in the writer's thread, and may run twice (when another of its batch fails, the batch is rolled
        back and repeated without that one), so it must only use the connection, and must not commit. Raises its error,
        or that of the commit. A caller that is cancelled does not know whether its operation was committed.
        """
        loop = self._usable_loop()
        return await self._submit(loop, function, loop.create_future())

    async def run_uncancelled(self, function: Callable[[C], T]) -> T:
        """Do the same, without cancellation: the cancellation of the caller takes effect at its next await, after the
        commit.
        """
        loop = self._usable_loop()
        future = UncancellableFuture[T](loop=loop)
        self._submit(loop, function, future)
        return await await_uncancelled(future)

    async def lease(self) -> Lease[C]:
        """Begin a transaction over several awaits; the caller must end it by `commit` or `roll_back` in every case.

        All other operations wait meanwhile, so keep it short. `run` inside a lease would deadlock, and raises instead.
        """
        lease = await self._acquire()
        _held.set(lease)
        return lease

    async def close(self) -> None:
        """Finish all submitted operations and leases, then close the connection and end the thread."""
        if self._loop is None:
            return
        self._refuse_inside_a_lease()
        if self._closed is None:
            self._closed = self._loop.create_future()
            self._wake(self._loop)
        await asyncio.shield(self._closed)
        self._writer.join()

    def _submit(
        self, loop: asyncio.AbstractEventLoop, function: Callable[[C], T], future: asyncio.Future[T]
    ) -> asyncio.Future[T]:
        self._pending.append(Operation(function, future))
        self._wake(loop)
        return future

    def _usable_loop(self) -> asyncio.AbstractEventLoop:
        if self._closed is not None:
            raise RuntimeError("the writer is closed")
        self._refuse_inside_a_lease()
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._writer.start(self._loop)
        return self._loop

    def _refuse_inside_a_lease(self) -> None:
        held = _held.get()
        if held is not None and held is self._lease and held.open:
            raise RuntimeError("this would wait for itself: under a lease, use the lease's own run")

    def _wake(self, loop: asyncio.AbstractEventLoop) -> None:
        """Dispatch in the loop's next iteration, so that all operations of this one go together."""
        if not self._woken and not self._busy:
            self._woken = True
            loop.call_soon(self._dispatch)

    def _dispatch(self) -> None:
        """Give the free thread its next work: a batch, a lease, or the end."""
        self._woken = False
        if self._busy or self._lease is not None:
            return
        while self._waiting and self._waiting[0].done():  # its caller was cancelled
            self._waiting.popleft()
        if self._waiting and (self._leases_in_a_row < _LEASES_IN_A_ROW or not self._pending):
            self._grant(self._waiting.popleft())
        elif self._pending:
            self._leases_in_a_row = 0
            taken, self._pending = self._pending[: self._limit], self._pending[self._limit :]
            self._busy = True
            self._writer.queue.put(Batch([one for one in taken if not one.future.cancelled()]))
        elif self._closed is not None:
            self._busy = True  # for good
            self._writer.queue.put(None)

    def _settle(self, outcomes: list[Outcome], *, batch: bool) -> None:
        """Deliver results to their callers; called on the event loop."""
        if batch:
            self._busy = False
            self._dispatch()  # first: the thread works while the callers wake up
        for future, value, error in outcomes:
            if future.done():  # cancelled
                continue
            if error is None:
                future.set_result(value)
            else:
                future.set_exception(error)
        if not batch and not outcomes and self._closed is not None and not self._closed.done():
            self._closed.set_result(None)

    async def _acquire(self) -> Lease[C]:
        loop = self._usable_loop()
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting.append(turn)
        self._wake(loop)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # granted, and cancelled before it could be used
                self._release()
            raise
        assert self._lease is not None
        return self._lease

    def _grant(self, turn: asyncio.Future[None]) -> None:
        self._leases_in_a_row += 1
        self._lease = Lease(self._writer, self._begin, self._release)
        turn.set_result(None)

    def _release(self) -> None:
        self._lease = None
        self._dispatch()
