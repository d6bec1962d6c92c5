"""Writer thread of a group commit: it owns the connection and runs operations on it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

__all__ = ["Batch", "C", "Connection", "Operation", "Outcome", "Work", "WriterThread"]


class Connection(Protocol):
    """The part of a connection that the writer uses; those of sqlite3 and of SQLAlchemy have it."""

    def commit(self) -> object: ...
    def rollback(self) -> object: ...
    def close(self) -> object: ...


C = TypeVar("C", bound=Connection)


class Operation(NamedTuple):
    """A function to run, and the future of its result."""

    run: Callable[[Any], Any]
    future: asyncio.Future[Any]


class Outcome(NamedTuple):
    """Outcome of an operation: `value`, unless there is an `error`."""

    future: asyncio.Future[Any]
    value: Any
    error: BaseException | None


class Batch(NamedTuple):
    """Operations to be committed together."""

    operations: list[Operation]


Work = Batch | Operation | None  # None: close the connection and end


class WriterThread(Generic[C]):
    """The thread's side of a group commit; callers are known to the event loop's side only."""

    def __init__(
        self, connect: Callable[[], C], begin: Callable[[C], object], settle: Callable[..., None], name: str,
        broken: Callable[[C], bool] = lambda connection: False,  # noqa: ARG005  # a file is never out of reach
    ) -> None:  # fmt: skip
        self.queue: SimpleQueue[Work] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._event_loop: asyncio.AbstractEventLoop | None = None
        self._connect = connect
        self._begin = begin
        self._settle = settle
        self._broken = broken
        self._connection: C | None = None

    def start(self, event_loop: asyncio.AbstractEventLoop) -> None:
        """Start the thread; it reports to `event_loop`, on which `settle` is called."""
        self._event_loop = event_loop
        self._thread.start()

    def join(self) -> None:
        """Wait for the thread's end; `None` must have been queued."""
        self._thread.join()

    def _work(self) -> None:
        """Process work until `None` arrives or the event loop is closed."""
        reported = True
        while reported and (work := self.queue.get()) is not None:
            if isinstance(work, Batch):
                reported = self._report(self._commit_together(work.operations), batch=True)
            else:
                reported = self._report([self._alone(work)], batch=False)
        self._drop_connection()
        self._report([], batch=False)

    def _report(self, outcomes: list[Outcome], *, batch: bool) -> bool:
        assert self._event_loop is not None
        try:
            self._event_loop.call_soon_threadsafe(lambda: self._settle(outcomes, batch=batch))
        except RuntimeError:  # the event loop is closed
            return False
        return True

    def _alone(self, operation: Operation) -> Outcome:
        """Run a statement of a lease, without beginning or committing."""
        try:
            return Outcome(operation.future, operation.run(self._opened()), None)
        except BaseException as error:  # noqa: BLE001  # the caller gets it: if the thread died, all would hang
            return Outcome(operation.future, None, error)

    def _commit_together(self, operations: list[Operation]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        while len(outcomes) < len(operations):
            outcomes += self._attempt(operations[len(outcomes) :])
        return outcomes

    def _attempt(self, operations: list[Operation], *, again: bool = True) -> list[Outcome]:
        """Run operations in order and commit. When one fails, repeat and commit those before it, and return the
        outcomes up to and with it.

        When the connection broke before the commit, nothing has been stored: all are repeated once on a new connection.
        """
        values: list[Any] = []
        try:
            connection = self._opened()
            self._begin(connection)
        except BaseException as error:  # noqa: BLE001  # all callers get it
            if again and self._dropped_broken():
                return self._attempt(operations, again=False)
            return self._fail(operations, error)
        try:
            for operation in operations:
                values.append(operation.run(connection))  # noqa: PERF401  # how far it came is needed when one raises
        except BaseException as error:  # noqa: BLE001  # its caller gets it
            if self._dropped_broken():
                return self._attempt(operations, again=False) if again else self._fail(operations, error)
            failed = self._fail(operations[len(values) : len(values) + 1], error)
            return self._commit_together(operations[: len(values)]) + failed
        try:
            self.commit(connection)
        except BaseException as error:  # noqa: BLE001  # all callers get it: whose fault it is nobody can tell
            return self._fail(operations, error)
        return [Outcome(operation.future, value, None) for operation, value in zip(operations, values, strict=True)]

    def _fail(self, operations: list[Operation], error: BaseException) -> list[Outcome]:
        self.roll_back()
        return [Outcome(operation.future, None, error) for operation in operations]

    def commit(self, connection: C) -> None:
        """Commit; on failure roll back and raise."""
        try:
            connection.commit()
        except BaseException:
            self.roll_back()
            raise

    def roll_back(self, _: C | None = None) -> None:
        """Roll back; a connection that fails to is dropped, and the next operation opens another."""
        try:
            if self._connection is not None:
                self._connection.rollback()
        except Exception:  # noqa: BLE001  # any driver's error: the connection is broken
            self._drop_connection()

    def _dropped_broken(self) -> bool:
        """Drop the connection if its server is out of reach; return whether it was."""
        if self._connection is None or not self._broken(self._connection):
            return False
        self._drop_connection()
        return True

    def _opened(self) -> C:
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def _drop_connection(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(Exception):  # it is thrown away
                self._connection.close()
            self._connection = None
