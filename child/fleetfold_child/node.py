"""The daemon: one application's place on the bus. It joins, is heard, answers searches and runs commands."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Collection as Several
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec
import structlog

from fleetfold_broker.bus import Bus
from fleetfold_broker.deliveries import Deliveries
from fleetfold_broker.gathered import serve_node
from fleetfold_broker.kept import Kept
from fleetfold_broker.service import Service
from fleetfold_broker.tasks import Tasks
from fleetfold_child.actions import Actions
from fleetfold_child.answerer import Answerer
from fleetfold_child.databases import Databases
from fleetfold_child.executor import Executor
from fleetfold_child.ledger import Ledger
from fleetfold_child.patience import patiently
from fleetfold_child.progress import Reports
from fleetfold_child.results import ResultLine
from fleetfold_child.verbs import Verbs
from fleetfold_shared.errors import Forbidden, Unavailable
from fleetfold_shared.messages import (
    CAPABILITIES,
    CancelVerdict,
    Capability,
    Command,
    CommandResult,
    Heartbeat,
    Join,
    Joined,
    NodeDescription,
    ProgressReport,
)  # fmt: skip
from fleetfold_shared.waves import waves

if TYPE_CHECKING:  # NumPy is behind it
    from fleetfold_child.index import Collection

__all__ = ["Node"]

log = structlog.get_logger(__name__)

JOIN_S = 3.0
NOTED_EVERY_S = 0.5
PUBLISHED_AT_ONCE = 256
PRUNE_EVERY_S = 3600.0
KEPT_S = 30 * 86_400.0
"""How long the ledger remembers what has ended: longer than anybody sends a command again or undoes it."""
CHANGES_APART_S = 0.05
"""Changes that come closer together share a heartbeat."""


class Node:
    """One node under way. `start` returns when a master has taken it in; `stopped` is set when it has to end.

    What it was not granted, it does not offer: the broker would not let it hear the questions.
    """

    def __init__(
        self, bus: Bus, description: NodeDescription, actions: Actions, ledger: Ledger,
        collections: Mapping[str, Collection], granted: Several[Capability] = CAPABILITIES,
        answerer: Answerer | None = None, databases: Databases | None = None, kept_s: float = KEPT_S,
    ) -> None:  # fmt: skip
        self._bus, self._name = bus, bus.caller
        self._described = description
        self._actions, self._ledger, self._collections = actions, ledger, collections
        self._service = Service(bus, f"fleetfold-node-{self._name}", version=description.version)
        self._reports = Reports(self._report)
        self._executor = Executor(
            actions, ledger, node=self._name, collections=collections, concurrency=description.concurrency,
            reports=self._reports,
            databases=databases,
        )  # fmt: skip
        self._granted, self._answerer = granted, answerer
        self._databases, self._kept_s = databases, kept_s
        self._deliveries = Deliveries(bus, self._name, self._execute)
        self._kept = Kept(bus)
        self._results = ResultLine(self._kept, bus.subjects.result(self._name))
        self._tasks = Tasks()
        self._joining: asyncio.Task[Joined] | None = None
        self._changed = asyncio.Event()
        self._heartbeat_s = 5.0
        self._seq = 0
        self._published: list[str] = []
        self.stopped = asyncio.Event()
        self.stop_reason = ""

    async def start(self) -> None:
        """Join, then serve. Waits for a master as long as there is none; `Conflict` when the name is taken."""
        self._heartbeat_s = (await self._join()).heartbeat_s
        verbs = Verbs(self._described.incarnation, self._collections, self, self._answerer)
        asked = verbs.asked(of_documents="search" in self._granted)
        await serve_node(self._service, self._bus, self._name, asked, verbs.asked_alone())
        for verb, handler in verbs.told().items():
            await self._service.serve(verb, self._bus.subjects.call(self._name, verb), handler, queue=self._name)
        await self._service.start()
        if "actions" in self._granted:
            await self._kept.start()
            await self._deliveries.start()
        await self._say()
        await self._bus.link.barrier()
        self._bus.link.on_up(self._back)
        for work in (self._beat(), self._publish_kept(), self._note_published(), self._prune()):
            self._tasks.spawn(work)

    async def stop(self, grace_s: float = 5.0) -> None:
        """Say goodbye, finish what runs within `grace_s`, and part. What is left runs again at the next start."""
        await self._deliveries.stop(grace_s)
        await self._service.stop(grace_s)
        await self._tasks.cancel()
        await self._results.stop()
        await self._reports.stop()
        await self._note_now()
        try:
            await self._say(leaving=True)
            await self._bus.link.barrier()
        except Unavailable:
            log.debug("node.left_silently")

    def changed(self, *_: object) -> None:
        """Something in the description is new: tell it soon."""
        self._changed.set()

    def supersede(self, incarnation: str) -> None:
        """Another process holds the name now."""
        if incarnation != self._described.incarnation:
            self.stop_reason = f"another process has taken the name {self._name!r}"
            self.stopped.set()

    async def cancel(self, ids: Several[str], by: str) -> dict[str, CancelVerdict]:
        """Stop these commands, for `by`. What has ended by it, or was not known to have ended, is published."""
        if "actions" not in self._granted:
            raise Forbidden(f"cancel: {self._name} was not granted 'actions', and runs no commands")
        stopped = await self._executor.cancel(ids, by)
        for result in stopped.results:
            self._tasks.spawn(self._publish(result))
        return stopped.verdicts

    def join_again(self) -> None:
        """The master does not know this node: it has lost its store."""
        if self._joining is None or self._joining.done():
            self._joining = self._tasks.spawn(self._join())

    @property
    def name(self) -> str:
        """Its name in the fleet."""
        return self._name

    @property
    def in_flight(self) -> int:
        """Commands that have arrived here and have not ended."""
        return self._executor.in_flight

    @property
    def description(self) -> NodeDescription:
        """The node in its own words, as of now: what it was granted of what it has."""
        searched, acting = "search" in self._granted, "actions" in self._granted
        return msgspec.structs.replace(
            self._described,
            collections=[collection.info() for collection in self._collections.values()] if searched else [],
            actions=self._actions.infos() if acting else [],
            answers=searched and self._answerer is not None,
        )

    @property
    def epochs(self) -> dict[str, int]:
        """How often each collection has changed since the start, of those that it is granted to show."""
        if "search" not in self._granted:
            return {}
        return {name: collection.epoch for name, collection in self._collections.items()}

    async def _join(self) -> Joined:
        """Take the place in the fleet. The broker vouches for the name, which stands in the subject."""
        subject = self._bus.subjects.api(self._name, "nodes.join")

        async def attempt() -> Joined:
            return await self._bus.request(subject, Join(description=self.description), Joined, JOIN_S)

        joined = await patiently(attempt, "node.waits_for_a_master")
        log.info("node.joined", state=joined.state)
        return joined

    async def _beat(self) -> None:
        """Be heard at each interval, jittered, and at each change: at once, but for those that come close together."""
        clock, said_at = asyncio.get_running_loop().time, 0.0
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._heartbeat_s * random.uniform(0.9, 1.0)):  # noqa: S311
                    await self._changed.wait()
                    await asyncio.sleep(said_at + CHANGES_APART_S - clock())
            self._changed.clear()
            said_at = clock()
            try:
                await self._say()
            except Unavailable:
                log.debug("node.not_heard")

    async def _say(self, *, leaving: bool = False) -> None:
        self._seq += 1
        beat = Heartbeat(seq=self._seq, description=self.description, in_flight=self.in_flight, leaving=leaving)
        await self._bus.publish(self._bus.subjects.heartbeat(self._name), beat)

    async def _back(self) -> None:
        """The link is up again: be heard at once, and send the results that could not be sent."""
        self.changed()
        await self._publish_kept()

    async def _execute(self, command: Command, age_s: float) -> None:
        result = await self._executor.handle(command, age_s=age_s)
        if result is not None:
            await self._publish(result)

    async def _report(self, report: ProgressReport) -> None:
        await self._bus.publish(self._bus.subjects.progress(self._name), report)

    async def _publish(self, result: CommandResult) -> None:
        """Return when the broker has stored the result. It has no message id: the master knows duplicates.

        It carries the epochs of now, which are those after the action or later: whoever learns of its end knows them.
        """
        told = msgspec.structs.replace(result, incarnation=self._described.incarnation, epochs=self.epochs)
        await self._results.publish(told)
        self._published.append(result.id)

    async def _note_published(self) -> None:
        """Tell the ledger, many at once; a result that it does not know of is published again at the next start."""
        while True:
            await asyncio.sleep(NOTED_EVERY_S)
            await self._note_now()

    async def _note_now(self) -> None:
        ids, self._published = self._published, []
        if ids:
            await self._ledger.published(*ids)

    async def _publish_kept(self) -> None:
        if "actions" in self._granted:
            for wave in waves(await self._ledger.unpublished(), PUBLISHED_AT_ONCE):
                await asyncio.gather(*map(self._publish, wave))

    async def _prune(self) -> None:
        """Keep the ledger bounded, and the markers in the application's databases."""
        while True:
            await self._ledger.prune(self._kept_s)
            await self._ledger.tidy()
            if self._databases:
                await self._databases.prune(self._kept_s)
            await asyncio.sleep(PRUNE_EVERY_S)
