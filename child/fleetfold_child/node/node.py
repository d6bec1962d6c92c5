"""Node daemon: registers an application in the fleet, sends heartbeats, answers searches and runs commands."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Collection as Several
from collections.abc import Coroutine, Sequence
from typing import Any

import msgspec
import structlog

from fleetfold_broker.bus import Bus
from fleetfold_broker.disk_space import DiskSpace
from fleetfold_broker.disk_watch import DiskWatch
from fleetfold_broker.identity.seal_check import SealCheck
from fleetfold_broker.jetstream.confirmed_publisher import ConfirmedPublisher
from fleetfold_broker.jetstream.delivery_acks import DeliveryAcks
from fleetfold_broker.jetstream.push_consumer import PushConsumer
from fleetfold_broker.rpc.request_server import RequestServer
from fleetfold_broker.rpc.scatter_responder import serve_node
from fleetfold_child.commands.executor import ExecutionLimits, Executor
from fleetfold_child.commands.name_confirmation import NameConfirmation
from fleetfold_child.commands.progress_reports import ProgressPublisher
from fleetfold_child.commands.result_batching import ResultBatcher
from fleetfold_child.commands.result_publisher import ResultPublisher
from fleetfold_child.enrolment.master_retry import wait_for_master
from fleetfold_child.interceptors import RequireLedger, command_pipeline, request_interceptors
from fleetfold_child.ledger.ledger import Ledger
from fleetfold_child.ledger.ledger_acceptance import LedgerAcceptance
from fleetfold_child.ledger.node_audit import read_node_audit
from fleetfold_child.node.application import Application, NodeOptions
from fleetfold_child.node.collection_health import CollectionHealth, LostCollection
from fleetfold_child.node.forgetting import Forgetting
from fleetfold_child.node.handlers import Handlers
from fleetfold_child.node.health import Check, Health
from fleetfold_child.node.heartbeats import HeartbeatContents, Heartbeats
from fleetfold_shared.concurrency import BackgroundTasks
from fleetfold_shared.errors import FleetfoldError, Forbidden, Unavailable
from fleetfold_shared.messages import (
    CancelVerdict,
    Capability,
    CommandsConfirm,
    CommandsConfirmed,
    EndpointCounters,
    Join,
    Joined,
    LedgerMark,
    LedgerRequest,
    LedgerVerdicts,
    MasterMark,
    NodeAuditEntry,
    NodeDescription,
    NodeGet,
    NodePart,
    NodeRecord,
    ProgressReport,
    ServiceCounters,
    Standing,
)  # fmt: skip

__all__ = ["Node"]

log = structlog.get_logger(__name__)

JOIN_S = 3.0
NOTED_EVERY_S = 0.5
CONFIRM_S = 10.0
PRUNE_EVERY_S = 900.0
IDLE_LOOK_S = 1.0
LAST_ERROR = 200
"""Most characters of an endpoint's last error in service discovery."""


class Node:
    """A running node. `start` returns when a master has registered it; `stopped` is set when it must end.

    It does not offer what it was not granted: the broker would not deliver the requests. `new`: its operator says that
    its ledger was lost, and has it begin anew.
    """

    def __init__(
        self, bus: Bus, description: NodeDescription, application: Application, ledger: Ledger, options: NodeOptions
    ) -> None:  # fmt: skip
        self._bus, self._name = bus, bus.caller
        self._described = description
        self._application, self._ledger, self._options = application, ledger, options
        actions, collections, lost = application.actions, application.collections, application.lost
        self._seals = SealCheck(bus.subjects, self._ask_for_keys)
        self._service = RequestServer(
            bus, f"fleetfold-node-{self._name}", version=description.version,
            interceptors=request_interceptors(self._seals),
        )  # fmt: skip
        self._reports = ProgressPublisher(self._report)
        self._named = NameConfirmation(self._ask_who_has_the_name)
        self._executor = Executor(
            actions, ledger, node=self._name,
            collections={**collections, **{name: LostCollection(info) for name, info in lost.items()}},
            limits=ExecutionLimits(description.concurrency), reports=self._reports, databases=application.databases,
            confirm_name=self._named.need,
        )  # fmt: skip
        self._granted = options.granted
        self._forgetting = Forgetting(ledger, application.databases, options.retention_s, self._ask_settled)
        self._confirmed = ConfirmedPublisher(bus)
        self._batches = ResultBatcher(self._confirmed, bus.subjects.result(self._name), self._present_mark)
        self._results = ResultPublisher(
            self._batches, ledger, description.incarnation, lambda: self.epochs, options.redact
        )
        self._tasks = BackgroundTasks()
        self._joining: asyncio.Task[None] | None = None
        self._acceptance = LedgerAcceptance()
        self._mark: LedgerMark | None = None
        self._heartbeats = Heartbeats(bus, self._heartbeat_contents)
        self._searchable = CollectionHealth(collections, lost, self.changed)
        checks: dict[NodePart, Sequence[Check]] = {
            "index": [self._searchable.check],
            "ledger": [self._look_at_disk, ledger.check],
        }
        self._disk = DiskWatch("node", lambda: DiskSpace.of(ledger.path.parent), "no command can be stored")
        self.health = Health(checks, self._health_changed)
        acks = DeliveryAcks(bus, self._name)
        required = RequireLedger(self.health, self._acceptance)
        commands = command_pipeline(self._seals, acks, self._results, required, self._executor)
        self._deliveries = PushConsumer(bus, self._name, commands, acks)
        self.stopped = asyncio.Event()
        self.stop_reason = ""

    async def start(self) -> None:
        """Register, then serve. Waits for a master without a limit. Raises `Conflict` when the name is taken."""
        await self._join()
        handlers = Handlers(
            self._described.incarnation, self._application.collections, self, self._application.answerer
        )
        await serve_node(
            self._service, self._bus, self._name, handlers.by_verb(self._granted), self._described.incarnation
        )
        if "actions" in self._granted:
            await self._confirmed.start()
            await self._deliveries.start()
        await self._heartbeats.say()
        await self._bus.connection.barrier()
        self._bus.connection.on_up(self._reconnected)
        watching = self.health.watch(lambda: self._heartbeats.heartbeat_s)
        self._tasks.spawn(self._heartbeats.run())
        for work in (
            watching, self._publish_pending(), self._mark_published(), self._watch_mark(), self._prune(),
            self._verify(), self._named.watch(),
        ):  # fmt: skip
            self._tasks.spawn(work)

    async def stop(self, grace_s: float = 5.0) -> None:
        """Finish running work within `grace_s` seconds, and announce the stop. Unfinished commands run again at the
        next start. A replaced process finishes no command: they are its successor's.
        """
        await self._deliveries.stop(0.0 if self.stopped.is_set() else grace_s)
        await self._service.stop(grace_s)
        await self._tasks.cancel()
        await self._batches.stop()
        await self._reports.stop()
        await self._on_ledger(self._results.mark_published())
        await self._on_ledger(self._read_mark())
        try:
            await self._heartbeats.say(leaving=True)
            await self._bus.connection.barrier()
        except Unavailable:
            log.debug("node.left_silently")

    def changed(self, *_: object) -> None:
        """Send the changed description soon."""
        self._heartbeats.changed()

    def apply_standing(self, standing: Standing) -> None:
        """Take the state, the heartbeat interval and the verdict on the ledger that a master has sent."""
        self._acceptance.apply(accepted=standing.ledger_accepted, reason=standing.reason)
        self._heartbeats.apply(standing)
        self._tasks.spawn(self._hear(standing.mark))

    def supersede(self, incarnation: str) -> None:
        """Stop, because another process owns the name now."""
        if incarnation != self._described.incarnation:
            self.stop_reason = f"another process has taken the name {self._name!r}"
            self.stopped.set()

    async def cancel(self, ids: Several[str], by: str) -> dict[str, CancelVerdict]:
        """Stop these commands, on behalf of `by`, and publish the results of those that ended by it or before."""
        if "actions" not in self._granted:
            raise Forbidden(f"cancel: {self._name} was not granted 'actions', and runs no commands")
        self._acceptance.need()  # a ledger that denies a command would say that it never ran
        stopped = await self._executor.cancel(ids, by)
        for result in stopped.results:
            self._tasks.spawn(self._results.publish(result))
        return stopped.verdicts

    async def audit(self, since: float | None, limit: int) -> list[NodeAuditEntry]:
        """Return the latest commands in the ledger, oldest first."""
        return await asyncio.to_thread(read_node_audit, self._ledger.path, since, limit)

    async def verdicts(self, ask: LedgerRequest) -> LedgerVerdicts:
        """Return what the ledger has of these commands, and of what it was sent since."""
        await self._hear(ask.mark)
        ledger, outcomes = self._ledger, await self._ledger.outcomes(ask.ids)
        verdicts = LedgerVerdicts(mark=await ledger.mark(), retention_s=self._options.retention_s, outcomes=outcomes)
        if ask.since is None:
            return verdicts
        commands, more = await ledger.recall(ask.since, ask.after)
        marks = await ledger.master_marks()
        return msgspec.structs.replace(verdicts, marks=marks, commands=commands, more=more)

    def join_again(self) -> None:
        """Register again, because the master has lost its store."""
        if self._joining is None or self._joining.done():
            self._joining = self._tasks.spawn(self._join())

    @property
    def name(self) -> str:
        """Name of the node in the fleet."""
        return self._name

    @property
    def in_flight(self) -> int:
        """Number of commands that have arrived and not ended."""
        return self._executor.in_flight

    @property
    def description(self) -> NodeDescription:
        """Present description of the node, limited to what it was granted."""
        searched, acting = "search" in self._granted, "actions" in self._granted
        return msgspec.structs.replace(
            self._described,
            collections=self._searchable.infos() if searched else [],
            actions=self._application.actions.infos() if acting else [],
            answers=searched and self._application.answerer is not None,
            withheld=self._withheld(),
            disk=self._disk.said,
        )

    @property
    def counters(self) -> ServiceCounters:
        """Counters of its endpoints since the start."""
        service = self._service.introspection
        return ServiceCounters(
            incarnation=self._described.incarnation, version=service.version, started=service.started,
            endpoints=[
                EndpointCounters(each.name, each.requests, each.errors, each.nanoseconds, each.last_error[:LAST_ERROR])
                for each in service.endpoints
            ],
        )  # fmt: skip

    @property
    def failing(self) -> dict[str, str]:
        """Collections that cannot be searched, and why."""
        return self._searchable.failing

    @property
    def epochs(self) -> dict[str, int]:
        """Number of changes of each collection since the start, limited to what it was granted."""
        if "search" not in self._granted:
            return {}
        return {name: collection.epoch for name, collection in self._application.collections.items()}

    def _heartbeat_contents(self) -> HeartbeatContents:
        return HeartbeatContents(
            self.description, self.in_flight, self.health.problems, self._mark, self._acceptance.accepted
        )

    async def _look_at_disk(self, _thorough: bool) -> None:
        """Report a changed space of the data's volume."""
        if self._disk.look():
            self.changed()

    def _withheld(self) -> dict[Capability, int]:
        """Count the collections and actions that were not granted."""
        has: dict[Capability, int] = {
            "search": len(self._application.collections),
            "actions": len(self._application.actions.infos()),
        }
        return {name: count for name, count in has.items() if count and name not in self._granted}

    def _health_changed(self) -> None:
        """Report changed health; when the ledger works again, publish its pending results."""
        self.changed()
        if not self.health.problems:
            self._tasks.spawn(self._publish_pending())

    async def _join(self) -> None:
        """Register in the fleet. The broker verifies the name, which is part of the subject."""
        subject = self._bus.subjects.api(self._name, "nodes.join")

        await self._on_ledger(self._read_mark())

        async def attempt() -> Joined:
            join = Join(description=self.description, ledger=self._mark, new=self._options.new)
            return await self._bus.request(subject, join, Joined, JOIN_S)

        joined = await wait_for_master(attempt, "node.awaiting_master")
        self._seals.trust(joined.seal)
        self._acceptance.apply(accepted=joined.ledger_accepted, reason=joined.reason)
        self._heartbeats.joined(joined)
        await self._hear(joined.mark)

    async def _hear(self, mark: MasterMark | None) -> None:
        """Keep a master's mark."""
        if mark is not None:
            await self._on_ledger(self._ledger.hear(mark))

    async def _ask_who_has_the_name(self) -> None:
        """Stop, and raise `Unavailable`, if another process has the name."""

        async def attempt() -> NodeRecord:
            subject = self._bus.subjects.api(self._name, "nodes.get")
            return await self._bus.request(subject, NodeGet(node=self._name), NodeRecord, JOIN_S)

        record = await wait_for_master(attempt, "node.awaiting_master")
        self.supersede(record.description.incarnation)
        if self.stopped.is_set():
            raise Unavailable(f"{self._name}: {self.stop_reason}")

    async def _ask_for_keys(self) -> None:
        """Request the keys of the masters' seals, by registering again."""
        self.join_again()
        if self._joining is not None:
            await asyncio.shield(self._joining)

    async def _reconnected(self) -> None:
        """After a reconnect, send a heartbeat and pending results."""
        self.changed()
        await self._publish_pending()

    async def _report(self, report: ProgressReport) -> None:
        sent = msgspec.structs.replace(report, incarnation=self._described.incarnation)
        await self._bus.publish(self._bus.subjects.progress(self._name), sent)

    async def _mark_published(self) -> None:
        """Mark published results in the ledger, in batches."""
        while True:
            await asyncio.sleep(NOTED_EVERY_S)
            await self._on_ledger(self._results.mark_published())

    async def _watch_mark(self) -> None:
        """Read the ledger's height for the next heartbeat."""
        while True:
            await asyncio.sleep(self._heartbeats.heartbeat_s / 2)
            await self._on_ledger(self._read_mark())

    async def _present_mark(self) -> LedgerMark | None:
        """The ledger's mark after the last result; None if the ledger could never be read."""
        if self._ledger.last_mark is None:
            await self._on_ledger(self._read_mark())
        return self._ledger.last_mark

    async def _read_mark(self) -> None:
        self._mark = await self._ledger.mark()

    async def _publish_pending(self) -> None:
        """Publish pending results; retries with growing pauses while the broker has no room."""
        if "actions" in self._granted:
            await self._on_ledger(wait_for_master(self._results.publish_pending, "node.results_wait_for_room"))

    async def _on_ledger(self, work: Coroutine[Any, Any, object]) -> bool:
        """Run `work`; return whether the ledger allowed it. Failed work is repeated once the ledger works again."""
        try:
            await work
        except (sqlite3.Error, FleetfoldError) as error:
            log.warning("node.not_done", reason=str(error))
            self.health.suspect("ledger")
            return False
        return True

    async def _prune(self) -> None:
        """Confirm and prune the ledger, and the idempotency rows in the application's databases."""
        while "actions" in self._granted:
            await self._on_ledger(self._forgetting.run_once())
            await asyncio.sleep(PRUNE_EVERY_S)

    async def _ask_settled(self, ids: list[str]) -> CommandsConfirmed:
        subject = self._bus.subjects.api(self._name, "commands.confirm")
        return await self._bus.request(subject, CommandsConfirm(ids=ids), CommandsConfirmed, CONFIRM_S)

    async def _verify(self) -> None:
        """Read all files, every `check_every_s` seconds when no command runs; damage is found before it is met."""
        while True:
            await asyncio.sleep(self._options.check_every_s)
            while self.in_flight:  # noqa: ASYNC110  # it does not notify
                await asyncio.sleep(IDLE_LOOK_S)
            await self.verify()

    async def verify(self) -> None:
        """Read all files now; a damaged part is checked again by its health check, which reports it."""
        try:
            await self._ledger.check(True)
        except FleetfoldError:
            self.health.suspect("ledger")
        if await self._searchable.verify():
            self.health.suspect("index")
