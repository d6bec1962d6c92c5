"""The node gateway: joins and heartbeats of nodes, and their streams and consumers on the broker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import structlog

from fleetfold_broker.connection.subscription import Incoming
from fleetfold_broker.limited_log import LimitedLog
from fleetfold_broker.rpc.scatter import ScatterReply
from fleetfold_broker.rpc.scatter_responder import superseded_subject
from fleetfold_master.events import AnswerRefused, NameTaken
from fleetfold_master.nodes import Inflow, Newest, Presence, Registry
from fleetfold_master.nodes.gateway_interfaces import GatewayHooks, NodeChannel
from fleetfold_master.search import CollectionVersions, OwnNode, TermStatistics
from fleetfold_shared.concurrency import BackgroundTasks
from fleetfold_shared.errors import DeadlineExceeded, InvalidInput, Unavailable
from fleetfold_shared.ids import MASTER
from fleetfold_shared.messages import (
    Cancelled,
    CancelRequest,
    CancelVerdict,
    CommandResult,
    Heartbeat,
    Held,
    HoldsRequest,
    Join,
    Joined,
    LedgerRequest,
    LedgerVerdicts,
    MasterMark,
    Message,
    NodeAudited,
    NodeAuditRequest,
    NodeList,
    NodeState,
    Pong,
    Standing,
    StatisticsChunk,
    StatisticsRequest,
    Superseded,
    decode,
    encode,
)  # fmt: skip

__all__ = ["NodeGateway"]

log = structlog.get_logger(__name__)

M = TypeVar("M", bound=Message)

PROBE_S = 1.0
CANCEL_S = 2.0
HOLDS_S = 2.0
STATISTICS_S = 5.0
AUDIT_S = 5.0


class NodeGateway:
    """Subscribes to the nodes' messages, and maintains their streams and consumers."""

    def __init__(
        self, channel: NodeChannel, registry: Registry, presence: Presence, inflow: Inflow, own: OwnNode | None = None,
        hooks: GatewayHooks | None = None,
    ) -> None:  # fmt: skip
        self._bus, self._gatherer, self._topology = channel.bus, channel.gatherer, channel.topology
        self._seals, self._hooks, self._ending = channel.seals, hooks or GatewayHooks(), BackgroundTasks()
        self._registry, self._presence, self._own = registry, presence, own
        self._sent_standings: dict[str, tuple[str, NodeState]] = {}
        self._quiet = LimitedLog(log)
        self._inflow, self._heartbeats = inflow, Newest(self._read_heartbeat, 1 / inflow.limits.heartbeats_per_s)
        self.term_statistics = TermStatistics(self._fetch_statistics, self.answers)
        self.epochs = CollectionVersions(self._hooks.publish)

    async def start(self) -> None:
        """Subscribe to heartbeats."""
        if self._own is not None:
            self.term_statistics.announced(MASTER, self._own.description())
        await self._bus.connection.subscribe(self._bus.subjects.heartbeat(), self._heartbeat)

    async def stop(self) -> None:
        """Unsubscribe from heartbeats."""
        await self._heartbeats.stop()
        await self._ending.cancel()

    async def ping_known_nodes(self) -> None:
        """Ping the known nodes, so that a new master need not wait for their next heartbeats."""
        names = [node.name for node in self._registry.all()]
        for name, answer in (await self._gatherer.ask("ping", names, encode(NodeList()), PROBE_S)).items():
            pong = self._read(name, answer, Pong)
            if pong is not None and not self._hooks.refuses(name, pong.incarnation, "answer"):
                self._registry.answered(name)
                self.epochs.record(name, pong.incarnation, pong.epochs)
                self.term_statistics.announced(name, self._registry.get(name).description)

    async def ensure(self) -> bool:
        """Create what is missing on the broker. Returns True if queued commands are lost and must be sent again."""
        lost = await self._topology.ensure_streams()
        await self._topology.ensure_nodes({node.name: node.description.concurrency for node in self._registry.all()})
        return lost

    async def remove(self, name: str) -> None:
        """Remove a node, with its queue and its statistics."""
        await self._hooks.before_removal(name)
        await self._registry.remove(name)
        self.term_statistics.forget(name)
        self.epochs.forget(name)
        await self._topology.forget_node(name)

    async def learn(self, node: str, result: CommandResult) -> None:
        """Record what a result reports about its node."""
        if self.epochs.record(node, result.incarnation, result.epochs):
            await self._hooks.tell_epochs(node, result)

    async def reload(self, name: str = "") -> None:
        """Reload a node's row, or all, after another master may have written it."""
        for gone in await self._registry.reload(name):
            self.term_statistics.forget(gone)
            self.epochs.forget(gone)

    async def join(self, name: str, join: Join) -> Joined:
        """Join the node `name`. Raises `Conflict` if another process answers under that name."""
        if not self._hooks.alone():
            await self.reload(name)
        answers: list[ScatterReply | None] = []

        async def probe(holder: str) -> str | None:
            answers.append(await self._ask_one(holder, "ping", NodeList(), PROBE_S))
            return self._incarnation_in(holder, answers[-1])

        record, fresh = await self._registry.join(name, join.description, probe, join.ledger)
        still_open = await self._accept_new(name, join)
        record = self._registry.record(self._registry.get(name))
        await self._topology.ensure_node(name, join.description.concurrency)
        if answers == [None]:  # one that is not connected would have been told at once
            self._hooks.publish(NameTaken(name))
        if fresh:
            await self._topology.redeliver(name)
            await self._supersede(name, join.description.incarnation)  # one that hung may resume
        self.term_statistics.expect(name, join.description)
        self.epochs.described(name, join.description)
        log.info("node.joined", node=name, state=record.state, incarnation=join.description.incarnation)
        return Joined(
            node=name, state=record.state, heartbeat_s=self._presence.heartbeat_s, reason=record.reason + still_open,
            seal=self._seals.keys(name), ledger_accepted=not self._registry.refuses_ledger(name),
            mark=self._sealed_mark(name),
        )  # fmt: skip

    async def _accept_new(self, name: str, join: Join) -> str:
        """Accept the ledger of a node whose operator says that it begins anew, if nothing of the node is open. Returns
        what is."""
        if not join.new or join.ledger is None or not self._registry.refuses_ledger(name):
            return ""
        if still_open := await self._hooks.open_on(name):
            log.warning("node.not_accepted_as_new", node=name, open=still_open)
            return f" (it is new, but has open work: {', '.join(still_open)})"
        await self._registry.accept_ledger(name, join.ledger)
        log.warning("node.accepted_as_new", node=name, meaning="its ledger was lost; nothing of it was open")
        return ""

    def _sealed_mark(self, name: str) -> MasterMark | None:
        mark = self._hooks.mark()
        return None if mark is None else self._seals.mark(name, mark)

    async def _heartbeat(self, message: Incoming) -> None:
        name = self._bus.subjects.token(message.subject, 1)
        await self._heartbeats.hear(name, message, now=self._inflow.heartbeat(name, len(message.data)))

    async def _read_heartbeat(self, message: Incoming) -> None:
        name = self._bus.subjects.token(message.subject, 1)
        try:
            heartbeat = decode(message.data, Heartbeat)
            verdict = self._registry.heard(name, heartbeat)
        except InvalidInput as error:
            self._quiet.warning("heartbeat.malformed", name, node=name, reason=error.message)
            return
        if verdict != "ok" and not self._hooks.alone():  # it may have joined at another master
            await self.reload(name)
            verdict = self._registry.heard(name, heartbeat)
        if verdict == "ok" and not heartbeat.leaving:
            self.epochs.described(name, heartbeat.description)
            self.term_statistics.announced(name, heartbeat.description)
            await self._tell_standing(name, heartbeat)
        elif verdict == "unknown":
            await self._tell(name, "join-again", NodeList())
        elif verdict == "superseded":
            self._hooks.refuses(name, heartbeat.description.incarnation, "heartbeat")
            await self._supersede(name, self._registry.get(name).description.incarnation)

    def end_replaced(self, event: AnswerRefused) -> None:
        """A subscriber: have a replaced process stop."""
        self._ending.spawn(self._end_replaced(event.node, event.incarnation))

    async def _end_replaced(self, name: str, incarnation: str) -> None:
        if not self._hooks.alone():  # it may be the newer one, which has joined at another master
            await self.reload(name)
        holder = self._registry.incarnation(name)
        if holder is not None and holder != incarnation:
            await self._supersede(name, holder)

    async def _tell_standing(self, name: str, heartbeat: Heartbeat) -> None:
        """Send the node its heartbeat interval until it uses it, and its state once."""
        sent = (heartbeat.description.incarnation, (now := self._registry.standing(name)).state)
        accepted = not self._registry.refuses_ledger(name)
        heeded = heartbeat.heartbeat_s in {None, self._presence.heartbeat_s} and heartbeat.ledger_accepted == accepted
        if heeded and (heartbeat.state in {None, now.state} or self._sent_standings.get(name) == sent):
            return
        self._sent_standings[name] = sent
        await self.tell_standing(name)

    async def tell_standing(self, name: str) -> None:
        """Send the node its heartbeat interval, its state, and whether its ledger is accepted."""
        now, accepted = self._registry.standing(name), not self._registry.refuses_ledger(name)
        standing = Standing(
            heartbeat_s=self._presence.heartbeat_s,
            state=now.state,
            reason=now.reason,
            ledger_accepted=accepted,
            mark=self._sealed_mark(name),
        )
        await self._tell(name, "standing", standing)

    async def ledger_accepted(self, name: str) -> None:
        """Let a node whose ledger was accepted go on: tell it, and have its commands delivered again."""
        await self.tell_standing(name)
        await self._topology.redeliver(name)

    async def _supersede(self, name: str, incarnation: str) -> None:
        """Tell other processes that answer under `name` that this incarnation holds it: all of them by the inbox, and
        one of an older release, which listens only there, by the queue group that they share."""
        message = Superseded(incarnation=incarnation)
        await self._tell(name, "superseded", message)
        await self._say(name, superseded_subject(name), message)

    async def _tell(self, node: str, verb: str, message: Message) -> None:
        """Send a message to a node, without a reply."""
        await self._say(node, self._bus.subjects.call(node, verb), message)

    async def _say(self, node: str, subject: str, message: Message) -> None:
        data = encode(message)
        await self._bus.connection.publish(subject, data, headers=self._seals.sealed(node, subject, data, {}) or None)

    async def answers(self, name: str) -> bool:
        """Whether a node of that name answers now."""
        return await self.incarnation(name) is not None

    async def incarnation(self, name: str) -> str | None:
        """The incarnation that answers for `name` on the bus; None if none does."""
        return self._incarnation_in(name, await self._ask_one(name, "ping", NodeList(), PROBE_S))

    def _incarnation_in(self, name: str, answer: ScatterReply | None) -> str | None:
        pong = self._read(name, answer, Pong)
        return None if pong is None else pong.incarnation

    async def stop_commands(self, node: str, ids: list[str], by: str) -> dict[str, CancelVerdict]:
        """Ask the node to stop these of its commands, for `by`. Returns its verdict for each; empty if it is silent."""
        answer = await self._ask_one(node, "cancel", CancelRequest(ids=ids, by=by), CANCEL_S)
        cancelled = self._read(node, answer, Cancelled)
        return {} if cancelled is None else {key: cancelled.verdicts[key] for key in ids if key in cancelled.verdicts}

    async def holds(self, node: str, collection: str, ids: list[str]) -> set[str] | None:
        """Those of the documents that the node has; None if it does not answer, or its version cannot."""
        answer = await self._ask_one(node, "holds", HoldsRequest(collection=collection, ids=ids), HOLDS_S)
        held = self._read(node, answer, Held)
        return None if held is None else set(held.ids)

    async def audit(self, ask: NodeAuditRequest) -> NodeAudited:
        """A node's own ledger entries. Raises `Unavailable` if it does not answer."""
        answer = await self._ask_one(ask.node, "audit", ask, AUDIT_S)
        if answer is None or isinstance(answer.error, Unavailable):
            why = f"node: {ask.node} does not answer; `fleetfold node-audit --data DIR` reads its folder"
            raise Unavailable(why, field="node")
        if answer.error is not None:
            raise answer.error
        return decode(answer.data, NodeAudited)

    async def verdicts(self, node: str, ids: Sequence[str]) -> LedgerVerdicts:
        """What the node's ledger has of these commands. Raises `Unavailable` if it does not answer."""
        return await self.ask_ledger(node, LedgerRequest(ids=[*ids]))

    async def ask_ledger(self, node: str, ask: LedgerRequest) -> LedgerVerdicts:
        """What the node's ledger says. Raises `Unavailable` if it does not answer."""
        answer = await self._ask_one(node, "ledger", ask, AUDIT_S)
        if answer is None:
            raise Unavailable(f"node: {node} does not answer, so its ledger cannot be read; start it", field="node")
        if answer.error is not None:
            raise answer.error
        return decode(answer.data, LedgerVerdicts)

    async def _fetch_statistics(self, node: str, ask: StatisticsRequest) -> StatisticsChunk:
        if self._own is not None and node == MASTER:
            return await self._own.statistics(ask)
        answer = await self._ask_one(node, "statistics", ask, STATISTICS_S)
        if answer is None:
            raise DeadlineExceeded(f"{node} did not tell its statistics within {STATISTICS_S:g} s")
        if answer.error is not None:
            raise answer.error
        return decode(answer.data, StatisticsChunk)

    def _read(self, node: str, answer: ScatterReply | None, kind: type[M]) -> M | None:
        """Decode a node's answer; None if there is none, or it is an error or invalid."""
        if answer is None or answer.error is not None:
            return None
        try:
            return decode(answer.data, kind)
        except InvalidInput as error:
            self._quiet.warning("answer.malformed", node, node=node, reason=error.message)
            return None

    async def _ask_one(self, node: str, verb: str, ask: Message, timeout_s: float) -> ScatterReply | None:
        """Request one node's answer by scatter, so that the broker authenticates the responder."""
        return (await self._gatherer.ask(verb, [node], encode(ask), timeout_s)).get(node)
