"""Context of an action's run: its command, the databases it may write, and the node's collections."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from fleetfold_child.commands.progress_reports import ProgressReporter
from fleetfold_child.ledger.node_database import Database
from fleetfold_child.ledger.side_effect_log import Forward, SideEffectLog
from fleetfold_shared.errors import NotFound
from fleetfold_shared.ids import key_of
from fleetfold_shared.messages import Caller

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

__all__ = ["Context", "Documents", "Refused"]


class Refused(Exception):
    """The application says no, and nothing has happened: outcome `failed` with this reason, and nothing to undo."""


class Documents(Protocol):
    """A collection of the node, as an action may use it. A search finds a change as soon as it is acknowledged."""

    async def index(self, records: Iterable[Mapping[str, Any]], *, leave_out: bool = False) -> object:
        """Add these documents, or replace those of the same id: all of them, or with `leave_out` those that will do."""

    async def update(self, document_id: str, fields: Mapping[str, Any], /) -> object:
        """Change these fields of one document."""

    async def delete(self, ids: Iterable[str]) -> int:
        """Remove these documents; how many there were."""

    async def get(self, document_id: str, /) -> Any:
        """The document."""


class Context:
    """One run of a command.

    `key` is the same each time this command runs, and each time a transaction retries its step: give it to targets
    that recognise a repeated request. `starts` is how often the command was begun, this time included, but for
    tries that failed and left nothing behind; `attempt` is which try of its retry policy this is, from 1, and begins
    anew when the node died. `log` has the command bound. `forward` is what a rollback may know of the command it
    undoes; None for any other command. `caller` is who asked for it, by name and role: the owner of a schedule that
    has fired, or who ran the transaction that is undone; None where the master does not say.
    """

    # Keywords with defaults rather than a value: applications construct a context in the tests of their actions.
    def __init__(
        self,
        *,
        node: str,
        command_id: str,
        starts: int = 1,
        deadline: float = float("inf"),
        tx: Database | None = None,
        db: Database | None = None,
        collections: Mapping[str, Documents] | None = None,
        action: str = "",
        attempt: int = 1,
        reporter: ProgressReporter | None = None,
        session: AsyncSession | None = None,
        forward: Forward | None = None,
        side_effects: SideEffectLog | None = None,
        caller: Caller | None = None,
    ) -> None:
        self.node = node
        self.command_id = command_id
        self.key = key_of(command_id)
        self.starts = starts
        self._action = action
        self._deadline = deadline
        self._cancelled = False
        self._cancelled_by: str | None = None
        self._cancelling: asyncio.Event | None = None
        self.attempt = attempt
        self._reporter = reporter or ProgressReporter(command_id, None)
        self._tx = tx
        self._db = db
        self._collections = collections or {}
        self._session = session
        self.forward = forward
        self.caller = caller
        self._side_effects = side_effects or SideEffectLog()

    @cached_property
    def log(self) -> structlog.stdlib.BoundLogger:
        """A logger with the node and the command bound."""
        bound: structlog.stdlib.BoundLogger = structlog.get_logger().bind(
            node=self.node, command=self.command_id, action=self._action
        )
        return bound

    @property
    def tx(self) -> Database:
        """The transaction of a `transactional` action: committed together with the result, or not at all.

        In the node's own file it opens at the first `execute`, and until the action ends no other command of this
        node can be begun or finished: do what is slow before. In a `database` of the application's it is open from the
        start.
        """
        if self._tx is None:
            raise RuntimeError("ctx.tx is for actions of kind 'transactional'; others write through ctx.db")
        return self._tx

    @property
    def session(self) -> AsyncSession:
        """The same transaction as an SQLAlchemy session, where the action names a `database`.

        `commit` on it flushes and `rollback` undoes what was done through it; the transaction ends with the action.
        """
        session: AsyncSession | None = self._session or getattr(self._tx, "session", None)
        if session is None:
            raise RuntimeError("ctx.session is for transactional actions with database=; others have ctx.tx or ctx.db")
        return session

    @property
    def db(self) -> Database:
        """The node's SQLite file; each `execute` is durable when it returns, whatever becomes of the action."""
        if self._db is None:
            raise RuntimeError("a transactional action writes through ctx.tx: what ctx.db wrote could not be undone")
        return self._db

    async def note(self, **values: Any) -> None:
        """Keep these values by name, for the rollback: `{{log.name}}` in its parameters, or `ctx.forward.log`.

        They are kept whatever becomes of this action, also if the node dies now: durable when this returns, or in a
        transactional action together with its effect. Note what will find it again *before* you do it, and do not do
        it when this raises: `InvalidInput` for what cannot be kept, `RuntimeError` when the action has ended.
        """
        await self._side_effects.note(values)

    def collection(self, name: str) -> Documents:
        """Return the node's collection of that name. Raises `NotFound` with the names there are."""
        if name not in self._collections:
            known = ", ".join(sorted(self._collections)) or "none"
            raise NotFound(f"{name}: this node has no such collection; it has {known}", field="collection")
        return self._collections[name]

    def remaining_s(self) -> float:
        """Return the seconds until the action is timed out, never below 0."""
        return max(0.0, self._deadline - asyncio.get_running_loop().time())

    def progress(self, done: float, total: float | None = None, note: str = "") -> None:
        """Report progress: `done` of `total`, in a unit of your own, with a note. Cheap, and thread-safe.

        The masters receive it a few times a second. It is also a sign of life, where `heartbeat` requires one.
        """
        if not (self._cancelled and self._cancelled_by is None):  # not from a thread that outlives its try
            self._reporter.report(done, total, note)

    @property
    def cancelled(self) -> bool:
        """Whether it was cancelled, timed out or stopped: then end soon, and leave nothing half done."""
        return self._cancelled

    @property
    def cancelled_by(self) -> str | None:
        """Name of the identity that cancelled it, if any."""
        return self._cancelled_by

    async def wait_cancelled(self) -> None:
        """Wait until `cancelled` becomes true."""
        if self._cancelling is None:
            self._cancelling = asyncio.Event()
        if not self._cancelled:
            await self._cancelling.wait()

    def cancel(self, by: str | None = None) -> None:
        """Report the cancellation to the handler and its threads; called by the executor."""
        self._cancelled = True
        self._cancelled_by = by if self._cancelled_by is None else self._cancelled_by
        if self._cancelling is not None:
            self._cancelling.set()
