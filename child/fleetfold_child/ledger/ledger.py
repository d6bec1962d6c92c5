"""Ledger: the commands of this node, their starts and their results. It makes commands take effect once.

One SQLite file, written by one thread, many operations to a commit (see `group_commit`). The application's own tables
may live in the same file; the ledger's begin with `fleetfold_`.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import structlog

from fleetfold_child.commands import cancellation_rules
from fleetfold_child.commands.cancellation_rules import Cancellation
from fleetfold_child.ledger import admission as rules
from fleetfold_child.ledger import (
    cancellations,
    compensation,
    confirmations,
    ledger_generation,
    master_marks,
    oversized_results,
    side_effect_log,
)
from fleetfold_child.ledger import ledger_schema as schema
from fleetfold_child.ledger import unpublished_results as results
from fleetfold_child.ledger.admission import Admission, Decision, Plan
from fleetfold_child.ledger.denied_effect import denies
from fleetfold_child.ledger.file_identity import NodeFile
from fleetfold_child.ledger.ledger_check import check_ledger
from fleetfold_child.ledger.ledger_schema import LedgerRow
from fleetfold_child.ledger.node_database import NodeDatabase, Transaction, Writer, open_writer, unusable
from fleetfold_child.ledger.pre_upgrade_copy import forget_copies, prepare_upgrade
from fleetfold_child.ledger.side_effect_log import log_of
from fleetfold_shared.clock import Clock, SystemClock
from fleetfold_shared.errors import FleetfoldError, InvalidInput
from fleetfold_shared.ids import new_id
from fleetfold_shared.messages import (
    ActionKind,
    Command,
    CommandResult,
    LedgerMark,
    MasterMark,
    RecalledCommand,
)
from fleetfold_storage.sqlite_integrity import check_pages, is_damage
from fleetfold_storage.vacuum import free_some

__all__ = ["Ledger", "check_retention"]

log = structlog.get_logger(__name__)

_SUSPECT_AFTER_CRASHES = 2

Forget = Callable[[Sequence[str]], Awaitable[bool]]
"""Deletes what else is kept of these commands. Returns False when it cannot now, so that they stay in the ledger."""


async def _forget_nothing_else(_command_ids: Sequence[str]) -> bool:
    """Default of `Forget`: nothing else is kept."""
    return True


def check_retention(days: float) -> float:
    """Convert the retention of ended commands to seconds. Raises `InvalidInput` for less than a day, because commands
    may be delivered again.
    """
    if not 1 <= days <= 3650:
        raise InvalidInput(f"ledger_days: from 1 to 3650 days, not {days:g}", field="ledger_days")
    return days * 86_400.0


class Ledger:
    """A ledger. Open it with `Ledger.open`, in one process only."""

    def __init__(
        self, file: NodeFile, writer: Writer, incarnation: str, clock: Clock, suspects: set[str], restoration: int
    ) -> None:
        self._restoration = restoration
        self._file = file
        self.database = NodeDatabase(writer)
        self._writer = writer
        self._incarnation = incarnation
        self._clock = clock
        self._suspects = suspects
        self._abandoned: set[str] = set()
        self._last_mark: LedgerMark | None = None

    @classmethod
    async def open(cls, path: Path, *, incarnation: str | None = None, clock: Clock | None = None) -> Ledger:
        """Open or create the file, and record the commands that the last process left running.

        `incarnation` identifies this process in the rows. All pages are checked. Raises `DamagedDatabase` when the file
        is damaged or no database, `Conflict` when it is a newer fleetfold's.
        """
        await asyncio.to_thread(prepare_upgrade, path)
        file = NodeFile(path)
        writer = open_writer(file)

        def prepare(connection: sqlite3.Connection) -> tuple[set[str], int]:
            check_pages(connection)
            schema.create(connection)
            schema.recover(connection)
            suspects = schema.find_crashed(connection, _SUSPECT_AFTER_CRASHES)
            return suspects, master_marks.read_restoration(connection)

        try:
            suspects, restoration = await writer.run(prepare)
        except BaseException as error:
            await writer.close()
            if is_damage(error):
                raise unusable(error, path) from error
            raise
        return cls(file, writer, incarnation or new_id(), clock or SystemClock(), suspects, restoration)

    async def close(self, *, orderly: bool = True) -> None:
        """Finish submitted operations and close. Commands still running will be run again; after an `orderly` stop
        without counting a crash. A stop caused by a command is not orderly.
        """
        try:
            if orderly:
                await self._writer.run(schema.leave)
        except (sqlite3.Error, FleetfoldError) as error:  # a broken file must not keep the node from ending
            log.warning("ledger.close_failed", reason=str(error))
        finally:
            await self._writer.close()

    @property
    def path(self) -> Path:
        """Path of the file."""
        return self._file.path

    async def check(self, thorough: bool) -> None:
        """Raise `Unavailable` with the reason when the file is lost, damaged or cannot be written."""
        await check_ledger(self._file, self._writer, thorough)

    def transaction(self) -> Transaction:
        """Return a transaction of the file, not begun yet."""
        return Transaction(self._writer)

    def is_suspect(self, command_id: str) -> bool:
        """Tell whether the process has died repeatedly while this command ran; then it is run alone, to identify the
        cause.
        """
        return command_id in self._suspects

    async def admit(self, command: Command, plan: Plan) -> Admission:
        """Decide on the command and store the decision, in one commit. The rules are in `admission` and
        `compensation`.
        """
        admission = await self._writer.run(lambda connection: self._admit(connection, command, plan))
        if admission.decision is Decision.RUN:
            self._abandoned.discard(command.id)
        elif admission.decision is Decision.SETTLED:
            self._suspects.discard(command.id)
        return admission

    def abandon(self, command_id: str) -> None:
        """Mark the command as interrupted in this process; it is treated as after a crash."""
        self._abandoned.add(command_id)

    async def release(self, command_id: str) -> None:
        """Record that a try has failed and another one follows: until `admit` the command is not running."""
        await self._writer.run(lambda connection: schema.release(connection, command_id))

    async def cancel(
        self, ids: Iterable[str], by: str, here: Collection[str] = (), *, external: bool = False
    ) -> dict[str, Cancellation]:
        """Cancel these commands and store the decisions, in one commit. The rules are in `cancellation_rules`.

        `here` are those that this process has started, including those that wait for another try. `external`: actions
        may take effect in databases of the application's too.
        """
        return await self._writer.run(
            lambda connection: {each: self._cancel(connection, each, by, each in here, external) for each in ids}
        )

    async def finish(self, result: CommandResult, *, refused: bool = False, unsent: Any = None) -> None:
        """Store the result of a running command. `refused`: its handler says that it had no effect. `unsent`: data for
        its compensation from a result that is not sent.
        """
        self.reached(await self._writer.run(self.finishing(result, refused=refused, unsent=unsent)))

    def finishing(
        self, result: CommandResult, *, refused: bool = False, notes: Sequence[str] = (), unsent: Any = None
    ) -> Callable[[sqlite3.Connection], LedgerMark]:
        """Return `finish` as an operation of the caller's transaction, with the command's side-effect log. Its value is
        for `reached`, once it is committed.
        """
        self._suspects.discard(result.id)
        now = self._clock.wall()

        def finish(connection: sqlite3.Connection) -> LedgerMark:
            if notes:
                side_effect_log.store(connection, result.id, result.starts, now, notes)
            schema.store_result(connection, result, now, refused=refused)
            if unsent is not None:
                oversized_results.store(connection, result.id, unsent)

            return ledger_generation.read(connection)

        return finish

    def reached(self, mark: LedgerMark) -> None:
        """Note the mark of a commit."""
        self._last_mark = mark

    @property
    def last_mark(self) -> LedgerMark | None:
        """The mark after the last result that was committed, without a look into the file; None before the first."""
        return self._last_mark

    async def note(self, command_id: str, start: int, said: str) -> None:
        """Store a running command's note in a commit of its own. Raises `RuntimeError` when the command has ended."""
        now = self._clock.wall()
        await self._writer.run(lambda connection: side_effect_log.store(connection, command_id, start, now, [said]))

    async def result_of(self, command_id: str) -> CommandResult | None:
        """Return the stored result, if the command has ended."""
        row = await self._writer.run(lambda connection: schema.find(connection, command_id))
        return row.result() if row is not None and row.answer is not None else None

    async def action_of(self, command_id: str) -> str | None:
        """Return the name of the command's action, if it is known."""
        row = await self._writer.run(lambda connection: schema.find(connection, command_id))
        return row.action or None if row is not None else None

    async def record_external_result(self, result: CommandResult) -> None:
        """Store a command's result that the application's database has reported."""
        known = msgspec.structs.replace(result, starts=max(1, result.starts))
        command = Command(id=result.id, attempt=result.attempt, action="", epoch=result.epoch)
        now = self._clock.wall()
        await self._writer.run(lambda connection: schema.insert_done(connection, command, "transactional", known, now))

    async def unpublished(self, limit: int = 1000) -> list[CommandResult]:
        """Return results without a confirmation, oldest first, to publish them after a restart."""
        return await self._writer.run(lambda connection: results.unpublished(connection, limit))

    async def published(self, *command_ids: str) -> None:
        """Record that the broker has stored these commands' results."""
        await self._writer.run(lambda connection: results.mark_published(connection, command_ids))

    async def mark(self) -> LedgerMark:
        """Return the ledger's generation and its present height."""
        self.reached(mark := await self._writer.run(ledger_generation.read))
        return mark

    async def hear(self, mark: MasterMark) -> None:
        """Keep a master's mark that came with no command. What was sent before its restoration is not admitted any
        more."""
        await self._writer.run(lambda connection: self._hear(connection, mark))

    async def master_marks(self) -> list[MasterMark]:
        """Return the highest mark of each master that was heard."""
        return await self._writer.run(master_marks.read_marks)

    async def recall(self, since: Iterable[MasterMark], after: str = "") -> tuple[list[RecalledCommand], bool]:
        """Return some commands since these marks, by id, from the one behind `after`; and whether more follow."""
        return await self._writer.run(lambda connection: master_marks.recall(connection, since, after))

    async def outcomes(self, ids: Iterable[str]) -> dict[str, str]:
        """Return the outcomes of those of the commands that the ledger has, empty for unfinished ones."""

        def look(connection: sqlite3.Connection) -> dict[str, str]:
            rows = [row for each in ids if (row := schema.find(connection, each)) is not None]
            return {row.id: row.outcome or "" for row in rows}

        return await self._writer.run(look)

    async def unconfirmed(self, after: str = "") -> list[str]:
        """Return up to 1,000 ended commands that are not confirmed, by id, from the one behind `after`."""
        return await self._writer.run(lambda connection: confirmations.find_unconfirmed(connection, after))

    async def confirm(self, *command_ids: str) -> None:
        """Record that the masters have settled these commands for good, so that they may be forgotten."""
        await self._writer.run(lambda connection: confirmations.confirm(connection, command_ids))

    async def prune(self, older_than_s: float, first: Forget = _forget_nothing_else) -> int:
        """Delete confirmed commands that ended longer ago; return their number.

        `first` is awaited with each batch of ids before it is deleted. A command that arrives again after that runs
        again, so keep them longer than any queue.
        """
        before = self._clock.wall() - older_than_s
        total = 0
        while ids := await self._writer.run(lambda connection: confirmations.find_forgettable(connection, before)):
            if not await first(ids):
                break
            await self._writer.run(partial(confirmations.forget, command_ids=ids))
            total += len(ids)
        await self._writer.run(cancellations.forget_ended)
        await asyncio.to_thread(forget_copies, self.path, self._clock.wall())
        return total

    async def vacuum(self) -> None:
        """Free the space of deleted rows, in small steps between which other writes run."""
        while await self._writer.run(free_some):
            pass

    def _hear(self, connection: sqlite3.Connection, mark: MasterMark) -> None:
        master_marks.hear(connection, mark)
        self._restoration = max(self._restoration, mark.restoration)

    def _admit(self, connection: sqlite3.Connection, command: Command, plan: Plan) -> Admission:
        if command.mark is not None and command.mark.restoration < self._restoration:
            log.warning("ledger.undone_by_restoration", command=command.id, master=command.mark.master)
            return Admission(Decision.FENCED)
        row = self._find(connection, command.id)
        if command.compensates is None:
            admission = rules.admit(command, row, self._with_facts(connection, row, plan))
        else:
            if row is not None and row.state == "tombstone":  # it was cancelled, and a compensation cannot be
                schema.forget(connection, command.id)
                row = None
            forward = self._find_forward(connection, command.compensates)
            other = self._as_running_here(schema.find_other_compensation(connection, command.compensates, command.id))
            notes = side_effect_log.read(connection, command.compensates)
            admission = compensation.admit_compensation(command, row, forward, other, plan, log_of(notes))
            if denies(forward, command.forward):
                log.error("ledger.lacks_an_effect", command=command.compensates, decided=admission.decision.value)
            self._seal(connection, admission)
            if admission.decision is Decision.RUN and forward is not None:
                admission = replace(admission, compensates=compensation.forward_of(forward, notes))
        self._write(connection, command, row.kind if row else plan.kind, admission)
        return admission

    def _with_facts(self, connection: sqlite3.Connection, row: LedgerRow | None, plan: Plan) -> Plan:
        """Add what other rows say of a command: who has cancelled it, whether it was undone."""
        if row is None or row.incarnation:
            return plan
        if row.answer is not None:
            took_effect = row.outcome in {"ok", "no_result"}
            other = schema.find_other_compensation(connection, row.id, row.id) if took_effect else None
            return replace(plan, compensated=other is not None and other.outcome == "ok")
        by = cancellations.find(connection, row.id)
        return plan if by is None else replace(plan, cancelled_by=by)

    def _cancel(
        self, connection: sqlite3.Connection, command_id: str, by: str, here: bool, external: bool
    ) -> Cancellation:
        row = self._find(connection, command_id)
        if row is not None and row.state == "running" and here:
            row = row._replace(incarnation=self._incarnation)
        decided = cancellation_rules.cancel(command_id, row, by, external=external)
        if decided.stored is not None and decided.result is not None:
            cancelled = Command(id=command_id, attempt=decided.result.attempt, action="", epoch=decided.result.epoch)
            schema.insert_done(
                connection, cancelled, "idempotent", decided.result, self._clock.wall(), state=decided.stored
            )
        elif decided.verdict == "stopping":
            cancellations.note(connection, command_id, by)
        return decided

    def _find(self, connection: sqlite3.Connection, command_id: str) -> LedgerRow | None:
        return self._as_running_here(schema.find(connection, command_id))

    def _find_forward(self, connection: sqlite3.Connection, command_id: str) -> LedgerRow | None:
        row = self._find(connection, command_id)
        if row is not None and row.outcome == "no_result":
            return row._replace(unsent=oversized_results.find(connection, command_id))
        return row

    def _as_running_here(self, row: LedgerRow | None) -> LedgerRow | None:
        """Clear the `incarnation` of an interrupted command, which the rules take for running here."""
        if row is not None and row.id in self._abandoned:
            return row._replace(incarnation="")
        return row

    def _write(self, connection: sqlite3.Connection, command: Command, kind: ActionKind, admission: Admission) -> None:
        now = self._clock.wall()
        if admission.decision is Decision.RUN:
            assert admission.params is not None
            filled = msgspec.structs.replace(command, params=admission.params)
            schema.begin(connection, filled, kind, admission.starts, self._incarnation, now)
        elif admission.decision is Decision.SETTLED:
            assert admission.result is not None
            schema.insert_done(connection, command, kind, admission.result, now)

    def _seal(self, connection: sqlite3.Connection, admission: Admission) -> None:
        """End the forward command, whose result is not awaited any more."""
        if (seal := admission.seal) is None:
            return
        forward = Command(id=seal.id, attempt=seal.attempt, action="", epoch=seal.epoch)
        state: schema.State = "tombstone" if seal.tombstone else "done"
        schema.insert_done(connection, forward, "idempotent", seal, self._clock.wall(), state=state, published=True)
