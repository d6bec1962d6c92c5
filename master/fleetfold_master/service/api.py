"""`fleet.api.<caller>.<area>.<verb>`: all that clients may ask of the masters."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from fleetfold_broker.bus import Bus
from fleetfold_broker.gather import Gatherer
from fleetfold_broker.service import Handler, Request, Service
from fleetfold_master.actions import Jobs, check_params
from fleetfold_master.nodes import Presence, Registry
from fleetfold_master.search import Federation
from fleetfold_master.service.fleet import Fleet
from fleetfold_master.service.room import fit_all, fit_job, fit_transaction
from fleetfold_master.store import StoredNode
from fleetfold_master.transactions import Transactions
from fleetfold_shared.errors import Conflict, InvalidInput, NotFound
from fleetfold_shared.messages import (
    Job,
    JobGet,
    JobList,
    JobListed,
    JobWait,
    Message,
    NodeGet,
    NodeList,
    NodeListed,
    NodePing,
    NodePinged,
    NodeRecord,
    NodeRemove,
    NodeRemoved,
    NodeStats,
    NodeStatsAsk,
    NodeUpdate,
    Run,
    Search,
    Searched,
    Transact,
    TransactionGet,
    TransactionList,
    TransactionListed,
    TransactionView,
    TransactionWait,
    decode,
    encode,
)  # fmt: skip

__all__ = ["Api"]

M = TypeVar("M", bound=Message)
Verb = Callable[[M, str], Awaitable[Message]]
"""Gets the decoded message and the caller's name."""


class Api:
    """The verbs, each with the message it takes."""

    def __init__(
        self, bus: Bus, registry: Registry, presence: Presence, fleet: Fleet, federation: Federation,
        jobs: Jobs, transactions: Transactions, gatherer: Gatherer,
    ) -> None:  # fmt: skip
        self._bus, self._registry, self._presence, self._fleet = bus, registry, presence, fleet
        self._federation, self._jobs, self._transactions, self._gatherer = federation, jobs, transactions, gatherer

    async def start(self, service: Service) -> None:
        """Serve every verb, in the group of all masters."""
        subjects = self._bus.subjects
        for verb, handler in self._verbs().items():
            await service.serve(
                verb.replace(".", "-"), subjects.api("*", verb), handler, queue="masters",
                caller=lambda subject: subjects.token(subject, 1),
            )  # fmt: skip

    def _verbs(self) -> dict[str, Handler]:
        return {
            "nodes.list": _takes(NodeList, self._nodes_list),
            "nodes.get": _takes(NodeGet, self._nodes_get),
            "nodes.update": _takes(NodeUpdate, self._nodes_update),
            "nodes.remove": _takes(NodeRemove, self._nodes_remove),
            "nodes.ping": _takes(NodePing, self._nodes_ping),
            "nodes.stats": _takes(NodeStatsAsk, self._nodes_stats),
            "search.query": _takes(Search, self._search),
            "actions.run": _takes(Run, self._run),
            "jobs.get": _takes(JobGet, self._jobs_get),
            "jobs.wait": _takes(JobWait, self._jobs_wait),
            "jobs.list": _takes(JobList, self._jobs_list),
            "tx.run": _takes(Transact, self._tx_run),
            "tx.get": _takes(TransactionGet, self._tx_get),
            "tx.wait": _takes(TransactionWait, self._tx_wait),
            "tx.list": _takes(TransactionList, self._tx_list),
        }

    async def _nodes_list(self, ask: NodeList, _caller: str) -> NodeListed:
        return NodeListed(nodes=[self._registry.record(node) for node in self._registry.all(removed=ask.all)])

    async def _nodes_get(self, ask: NodeGet, _caller: str) -> NodeRecord:
        return self._registry.record(self._registry.get(ask.node))

    async def _nodes_update(self, change: NodeUpdate, _caller: str) -> NodeRecord:
        return await self._registry.update(change)

    async def _nodes_remove(self, ask: NodeRemove, _caller: str) -> NodeRemoved:
        if still_open := self._transactions.open_on(ask.node):
            raise Conflict(
                f"node: {ask.node!r} is needed by a transaction that has not ended ({still_open[0]}); wait for it",
                field="node",
            )
        await self._fleet.remove(ask.node)
        return NodeRemoved(node=ask.node)

    async def _nodes_ping(self, ask: NodePing, _caller: str) -> NodePinged:
        names = [self._registry.get(name).name for name in ask.nodes] or [node.name for node in self._registry.all()]
        answers = await self._gatherer.ask("ping", names, encode(NodeList()), ask.timeout_ms / 1000)
        for name, answer in answers.items():
            if answer.error is None:
                self._presence.answered(name, answer.ms)
        ms = {name: round(a.ms, 3) if (a := answers.get(name)) and a.error is None else None for name in names}
        return NodePinged(ms=ms)

    async def _nodes_stats(self, _ask: NodeStatsAsk, _caller: str) -> NodeStats:
        return self._registry.stats()

    async def _search(self, ask: Search, _caller: str) -> Searched:
        return await self._federation.search(ask)

    async def _run(self, ask: Run, caller: str) -> Job:
        targets = self._targets(ask)
        job = await self._jobs.start(ask, [node.name for node in targets], caller)
        if ask.wait_ms and job.state == "running":
            job = await self._jobs.wait(ask.id, ask.wait_ms / 1000)
        return fit_job(job)

    async def _jobs_get(self, ask: JobGet, _caller: str) -> Job:
        return fit_job(await self._jobs.get(ask.id))

    async def _jobs_wait(self, ask: JobWait, _caller: str) -> Job:
        return fit_job(await self._jobs.wait(ask.id, ask.wait_ms / 1000))

    async def _jobs_list(self, ask: JobList, _caller: str) -> JobListed:
        return JobListed(jobs=fit_all(await self._jobs.list(ask.limit), fit_job))

    async def _tx_run(self, ask: Transact, caller: str) -> TransactionView:
        view = await self._transactions.start(ask, caller)
        if ask.wait_ms and view.ended_at is None:
            view = await self._transactions.wait(ask.id, ask.wait_ms / 1000)
        return fit_transaction(view)

    async def _tx_get(self, ask: TransactionGet, _caller: str) -> TransactionView:
        return fit_transaction(await self._transactions.get(ask.id))

    async def _tx_wait(self, ask: TransactionWait, _caller: str) -> TransactionView:
        return fit_transaction(await self._transactions.wait(ask.id, ask.wait_ms / 1000))

    async def _tx_list(self, ask: TransactionList, _caller: str) -> TransactionListed:
        return TransactionListed(transactions=fit_all(await self._transactions.list(ask.limit), fit_transaction))

    def _targets(self, ask: Run) -> list[StoredNode]:
        """The nodes to run on; everything about the action is checked before anything is sent."""
        if ask.all == bool(ask.nodes):
            raise InvalidInput("nodes: name the nodes to run on, or all of them, not both", field="nodes")
        nodes = [self._registry.get(name) for name in dict.fromkeys(ask.nodes)]
        nodes = nodes or [node for node in self._registry.all() if node.state == "active" and _has(node, ask.action)]
        if not nodes:
            raise NotFound(
                f"action: no active node has {ask.action!r}; see `fleetfold nodes show NAME`", field="action"
            )
        for node in nodes:
            _check(node, ask)
        return nodes


def _has(node: StoredNode, action: str) -> bool:
    return any(info.name == action for info in node.description.actions)


def _check(node: StoredNode, ask: Run) -> None:
    if node.state != "active":
        raise InvalidInput(
            f"nodes: {node.name!r} is {node.state}; set it active first (`fleetfold nodes update`)", field="nodes"
        )
    infos = {info.name: info for info in node.description.actions}
    if ask.action not in infos:
        known = ", ".join(sorted(infos)) or "none"
        raise NotFound(f"action: {node.name!r} has no {ask.action!r}; it has: {known}", field="action")
    check_params(infos[ask.action], ask.params, "params")


def _takes(kind: type[M], verb: Verb[M]) -> Handler:
    async def handle(request: Request) -> Message:
        return await verb(decode(request.data, kind), request.caller)

    return handle
