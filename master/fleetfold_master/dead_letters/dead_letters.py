"""The dead letters of all masters: collected from several sources, bounded in number and age."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec
import structlog

from fleetfold_broker.identity.seal_check import NOT_SEALED
from fleetfold_broker.limited_log import LimitedLog
from fleetfold_master.dead_letters import rows
from fleetfold_master.dead_letters.dead_letter_policy import (
    StepCommand,
    dead_letter_id,
    dead_letter_of_step,
    dead_letters_for,
    event_of,
    fitting,
)
from fleetfold_master.events import Publish, WriteWithEvent, publish_to_nobody
from fleetfold_master.jobs.job_model import RunningJob
from fleetfold_master.jobs.task import Ending, command_id, parse_command_id
from fleetfold_master.store.database import Store
from fleetfold_master.transactions.model import parse_id
from fleetfold_shared.clock import Clock
from fleetfold_shared.errors import Conflict, NotFound
from fleetfold_shared.messages import CommandResult, DeadLetter, DeadLetterEvent, DeadLetterList, Job, Run

__all__ = ["DeadLetters"]

MOST = 10_000
RETENTION_S = 90 * 86_400
MOST_OF_NODE = 1000
"""The most commands stored of a node that is removed: the latest."""

log = structlog.get_logger(__name__)


class _Advisory(msgspec.Struct):
    """The broker's advisory about a message that it gave up."""

    consumer: str = ""
    stream_seq: int = 0
    deliveries: int = 0
    reason: str = ""


class DeadLetters:
    """Dead letters in a store that all masters share; `by` is this master's id. The owner calls `prune`
    periodically. What others commit, they publish; what is written here is published here, once."""

    def __init__(self, store: Store, clock: Clock, by: str = "", publish: Publish = publish_to_nobody) -> None:
        self._store, self._clock, self._by, self._publish = store, clock, by, publish
        self._quiet = LimitedLog(log)

    def of_task(self, job: RunningJob | Job, node: str, ending: Ending, now: float) -> Sequence[WriteWithEvent]:
        """The writes that `Jobs` commits with a task's end."""
        return dead_letters_for(job, node, ending, now, by=self._by)

    async def of_removed_node(self, node: str) -> None:
        """Store the commands queued for a node that is about to be removed, because its queue goes with it."""
        now = self._clock.wall()
        dead_letters = [
            self._unanswered(row, node, now) for row in await rows.read_unanswered(self._store, node, MOST_OF_NODE)
        ]
        if dead_letters:
            await self._keep(dead_letters)

    async def of_advisory(self, subject: str, data: bytes) -> None:
        """Store a command that a node could not read or did not accept, or that the broker gave up delivering.

        A running command without a valid seal, because the fleet's keys were replaced, is sent again with a valid
        one while it is unanswered: it is not dead.
        """
        try:
            advisory = msgspec.json.decode(data, type=_Advisory)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            self._quiet.warning("advisory.malformed", subject, reason=str(error))
            return
        if NOT_SEALED in advisory.reason and await self._is_under_way(advisory):
            log.info("command.sealed_anew", node=advisory.consumer, command=advisory.reason.partition(" ")[0])
            return
        await self._keep([await self._unread(advisory, self._clock.wall())])

    async def get(self, key: str) -> DeadLetter:
        """One dead letter. Raises `NotFound`."""
        found = await rows.read_dead_letter(self._store, key)
        if found is None:
            raise NotFound(f"id: there is no dead letter {key[:80]!r}; see `fleetfold dead-letters list`", field="id")
        return found

    async def list(self, ask: DeadLetterList, *, caller: str | None = None) -> tuple[list[DeadLetter], int]:
        """Matching dead letters, newest first, and their number; with `caller`, only those of that caller's
        commands."""
        return await rows.read_dead_letters(self._store, ask, caller=caller)

    async def again(self, dead_letter: DeadLetter) -> Run:
        """The run that repeats a dead letter's command, as a job with an id of its own. Raises `Conflict` with the
        reason."""
        if dead_letter.retried_as is not None:
            raise Conflict(f"id: it was tried again before, as the job {dead_letter.retried_as}", field="id")
        if dead_letter.tx is not None:
            raise Conflict(
                f"id: it is a step of the transaction {dead_letter.tx}; "
                f"if that is parked, `fleetfold tx retry {dead_letter.tx}`",
                field="id",
            )
        found = None if dead_letter.job is None else await rows.read_job(self._store, dead_letter.job, dead_letter.node)
        if found is None and (dead_letter.job is None or not dead_letter.whole or not dead_letter.action):
            raise Conflict("id: too little is known of it to do it again; look at it, and drop it", field="id")
        if found is not None:
            _check_still_dead(found)
        params = dead_letter.params if found is None else msgspec.json.decode(found["params"])
        timeout: dict[str, Any] = {} if found is None else {"timeout_s": found["timeout_s"]}
        return Run(
            id=f"l-{dead_letter.id}", action=dead_letter.action, params=params, nodes=[dead_letter.node], **timeout
        )

    async def retried(self, dead_letter: DeadLetter, run: Run, by: str) -> None:
        """Link a dead letter to the job that repeats it."""
        await self._store.write(rows.retried(dead_letter.id, run.id, self._clock.wall(), by))

    async def drop(self, key: str) -> None:
        """Delete one."""
        await self._store.write(rows.dropped(key))

    async def prune(self) -> None:
        """Delete those older than 90 days, and the oldest beyond 10,000."""
        await self._store.write(rows.older(self._clock.wall() - RETENTION_S), rows.over(MOST))

    async def of_step(self, node: str, result: CommandResult) -> None:
        """Store a failed command of a transaction's step, if the policy says so; called before the result is
        acknowledged."""
        address = parse_id(result.id)
        if address is None or (row := await rows.read_step(self._store, address.tx, address.step)) is None:
            return
        action, params = row["action"], msgspec.json.decode(row["params"])
        if not address.forward and row["rollback"] is not None:
            rollback = msgspec.json.decode(row["rollback"])
            action, params = rollback["action"], rollback.get("params", {})
        command = StepCommand(
            address.tx, address.step, node, action, params, row["caller"], compensation=not address.forward
        )
        dead_letter = dead_letter_of_step(command, result, self._clock.wall(), by=self._by)
        if dead_letter is not None:
            await self._keep([dead_letter])

    async def _keep(self, dead_letters: Sequence[DeadLetter]) -> None:
        """Store dead letters in one commit, and publish those that were not stored before."""
        for one in await self._store.script(partial(rows.bury, dead_letters=dead_letters)):
            self._publish(event_of(one))

    def _unanswered(self, row: Any, node: str, now: float) -> DeadLetter:
        params, whole = fitting(msgspec.json.decode(row["params"]))
        command, sent = command_id(row["id"], node), f"{row['attempt']} times since" if row["attempt"] > 1 else ""
        history = [
            DeadLetterEvent(row["created_at"], "accepted", f"asked for by {row['caller']}"),
            DeadLetterEvent(row["began_at"], "sent", sent),
            DeadLetterEvent(now, "node_removed", self._by),
        ]
        return DeadLetter(
            id=dead_letter_id(command), reason="node_removed", command=command, node=node, at=now, action=row["action"],
            params=params, whole=whole, error=f"{node} was removed before it had answered", job=row["id"],
            caller=row["caller"], history=history,
        )  # fmt: skip

    async def _is_under_way(self, advisory: _Advisory) -> bool:
        """Whether a master still sends the command while it is unanswered."""
        named = advisory.reason.partition(" ")[0]
        if (step := parse_id(named)) is not None:
            row = await rows.read_step(self._store, step.tx, step.step)
            return row is not None and row["ended_at"] is None
        address = parse_command_id(named)
        found = None if address is None else await rows.read_job(self._store, address[0], advisory.consumer)
        return found is not None and not found["answered"] and found["state"] == "running"

    async def _unread(self, advisory: _Advisory, now: float) -> DeadLetter:
        """Store the node's report about an unreadable command: its id, and what is wrong."""
        named, _, reason = advisory.reason.partition(" ")
        address = parse_command_id(named)
        found = None if address is None else await rows.read_job(self._store, address[0], advisory.consumer)
        params, whole = fitting(None if found is None else msgspec.json.decode(found["params"]))
        command = named if found is not None else f"{advisory.consumer}.{advisory.stream_seq}"
        return DeadLetter(
            id=dead_letter_id(command), reason="malformed", command=command, node=advisory.consumer[:63], at=now,
            action="" if found is None else found["action"], params=params, whole=whole and found is not None,
            error=(reason if address else advisory.reason)[:2000], job=None if found is None else found["id"],
            caller="" if found is None else found["caller"],
            history=[DeadLetterEvent(now, "terminated", f"after {advisory.deliveries} deliveries")],
        )  # fmt: skip


def _check_still_dead(found: Any) -> None:
    """Raise `Conflict` if its own job has run it after all, or still may: a removed node can come back."""
    if found["answered"] and found["outcome"] == "ok":
        raise Conflict("id: it has been done since; drop the dead letter", field="id")
    if not found["answered"] and found["state"] == "running":
        raise Conflict(f"id: its job {found['id']} has not ended, and sends it again; wait for its end", field="id")
