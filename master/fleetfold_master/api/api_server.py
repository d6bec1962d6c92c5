"""The API server: `fleet.api.<caller>.<area>.<verb>`, all verbs that clients may call."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from fleetfold_broker.bus import Bus
from fleetfold_broker.rpc.admission import AdmissionControl, begin_waiting
from fleetfold_broker.rpc.request_server import RequestServer
from fleetfold_broker.rpc.scatter import ScatterClient
from fleetfold_broker.rpc.streamed_reply import Say, silent
from fleetfold_master.access.authorizer import Principal
from fleetfold_master.access.enrolment import JOINING
from fleetfold_master.access.scoping import (
    MOST_LOOKED_AT,
    asked_nodes,
    check_visible,
    narrow_search,
    no_node,
    node_in_scope,
    sees_all,
    visible,
)
from fleetfold_master.api.audit_subject import touches_answer, touches_node, touches_pinged, touches_search
from fleetfold_master.api.guard import Guard, Verb
from fleetfold_master.api.verb_groups import VerbGroups
from fleetfold_master.jobs import Jobs
from fleetfold_master.jobs.targeting import those_where
from fleetfold_master.nodes import Presence, Registry
from fleetfold_master.nodes.fleet_statistics import fleet_statistics
from fleetfold_master.nodes.node_gateway import NodeGateway
from fleetfold_master.nodes.node_rows import StoredNode
from fleetfold_master.payload_budget import fit_all, fit_job
from fleetfold_master.search import Federation
from fleetfold_master.search.facet_merge import merged_facets
from fleetfold_shared.errors import Conflict
from fleetfold_shared.messages import (
    Answered,
    AnswerQuestion,
    Job,
    JobGet,
    JobList,
    JobListed,
    JobWait,
    NodeAuditAsk,
    NodeAudited,
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
    Search,
    Searched,
    encode,
)  # fmt: skip

__all__ = ["ApiServer"]


class ApiServer:
    """The handlers of the small areas, and the groups of the larger ones."""

    def __init__(
        self, bus: Bus, registry: Registry, presence: Presence, fleet: NodeGateway, federation: Federation,
        jobs: Jobs, gatherer: ScatterClient, guard: Guard, groups: VerbGroups,
    ) -> None:  # fmt: skip
        self._bus, self._registry, self._presence, self._fleet = bus, registry, presence, fleet
        self._federation, self._jobs, self._gatherer = federation, jobs, gatherer
        self._guard, self._groups = guard, groups

    async def start(self, service: RequestServer) -> None:
        """Serve every verb in the queue group of all masters."""
        subjects = self._bus.subjects
        for name, verb in self.verbs().items():
            places = AdmissionControl(JOINING) if name == "nodes.join" else None
            await service.serve(
                name, subjects.api("*", name), self._guard.around(name, verb), queue="masters",
                caller=lambda subject: subjects.token(subject, 1), places=places,
            )  # fmt: skip

    def verbs(self) -> dict[str, Verb[Any]]:
        """All handlers, by verb."""
        return {
            "nodes.list": Verb(NodeList, self._nodes_list),
            "nodes.get": Verb(NodeGet, self._nodes_get),
            "nodes.update": Verb(NodeUpdate, self._nodes_update, touches_node),
            "nodes.remove": Verb(NodeRemove, self._nodes_remove, touches_node),
            "nodes.audit": Verb(NodeAuditAsk, self._nodes_audit, touches_node, recorded=True),
            "nodes.ping": Verb(NodePing, self._nodes_ping, touches_pinged, recorded=True),
            "nodes.stats": Verb(NodeStatsAsk, self._nodes_stats),
            "search.query": Verb(Search, self._search, touches_search, recorded=True),
            "ask.question": Verb(AnswerQuestion, self._ask, touches_answer, recorded=True, in_parts=self._ask_in_parts),
            "jobs.get": Verb(JobGet, self._jobs_get),
            "jobs.wait": Verb(JobWait, self._jobs_wait),
            "jobs.list": Verb(JobList, self._jobs_list),
            **self._groups.verbs(),
        }

    async def _nodes_list(self, ask: NodeList, who: Principal) -> NodeListed:
        return NodeListed(nodes=those_where(self._records(who, removed=ask.all), ask.where))

    async def _nodes_get(self, ask: NodeGet, who: Principal) -> NodeRecord:
        return self._granted(self._registry.record(self._node(ask.node, who, pending=True)))

    async def _nodes_update(self, change: NodeUpdate, who: Principal) -> NodeRecord:
        self._node(change.node, who)
        record = await self._registry.update(change, who.name)
        if record.state == "inactive":
            await self._groups.access.disconnect(change.node)
        return self._granted(record)

    async def _nodes_remove(self, ask: NodeRemove, who: Principal) -> NodeRemoved:
        if self._node(ask.node, who, pending=True).state == "pending":
            await self._groups.access.shut_out(ask.node, "removed")
            return NodeRemoved(node=ask.node)
        if still_open := await self._groups.transactions.open_on(ask.node):
            raise Conflict(
                f"node: {ask.node!r} is needed by a transaction that has not ended ({still_open[0]}); wait for it",
                field="node",
            )
        await self._groups.access.shut_out(ask.node, "removed")  # first: a node that is only removed would join again
        await self._fleet.remove(ask.node)
        return NodeRemoved(node=ask.node)

    async def _nodes_ping(self, ask: NodePing, who: Principal) -> NodePinged:
        named = [self._node(name, who, "nodes").name for name in ask.nodes]
        names = named or who.narrow(node.name for node in self._registry.all())
        answers = await self._gatherer.ask("ping", names, encode(NodeList()), ask.timeout_ms / 1000)
        for name, answer in answers.items():
            if answer.error is None:
                self._presence.answered(name, answer.ms)
        ms = {name: round(a.ms, 3) if (a := answers.get(name)) and a.error is None else None for name in names}
        return NodePinged(ms=ms)

    async def _nodes_audit(self, ask: NodeAuditAsk, who: Principal) -> NodeAudited:
        self._node(ask.node, who)
        return await self._fleet.audit(ask)

    async def _nodes_stats(self, _ask: NodeStatsAsk, who: Principal) -> NodeStats:
        return fleet_statistics(self._records(who))

    async def _search(self, ask: Search, who: Principal) -> Searched:
        for field, names in (("nodes", asked_nodes(ask)), ("among", ask.among)):
            for name in names:
                self._searchable(name, who, field)
        narrowed = narrow_search(ask, who, self._federation.nodes())
        if narrowed is None:
            facets = merged_facets(ask.facets, ())
            return Searched(query=ask.query, hits=[], nodes=[], total=0, took_ms=0.0, partial=False, facets=facets)
        found = await self._federation.search(narrowed, ask)
        self._groups.cache.count(narrowed, ask)
        self._groups.quality.searched(narrowed, found)
        return found

    async def _ask(self, ask: AnswerQuestion, who: Principal) -> Answered:
        return await self._ask_in_parts(ask, who, silent)

    async def _ask_in_parts(self, ask: AnswerQuestion, who: Principal, say: Say) -> Answered:
        if ask.by is not None:
            self._node(ask.by, who, "by")

        async def find(search: Search) -> Searched:
            return await self._search(search, who)

        return await self._groups.answering.answer(ask, find, say)

    async def _jobs_get(self, ask: JobGet, who: Principal) -> Job:
        return fit_job(check_visible(await self._jobs.get(ask.id), who, "jobs.get"))

    async def _jobs_wait(self, ask: JobWait, who: Principal) -> Job:
        check_visible(await self._jobs.get(ask.id), who, "jobs.wait")
        begin_waiting()
        return fit_job(await self._jobs.wait(ask.id, ask.wait_ms / 1000))

    async def _jobs_list(self, ask: JobList, who: Principal) -> JobListed:
        jobs = await self._jobs.list(ask.limit if sees_all(who, "jobs.list") else MOST_LOOKED_AT, ask)
        seen = [job for job in jobs if visible(job, who, "jobs.list")]
        return JobListed(jobs=fit_all(seen[: ask.limit], fit_job))

    def _records(self, who: Principal, *, removed: bool = False) -> list[NodeRecord]:
        """The nodes in the caller's scope."""
        nodes = self._registry.all(removed=removed, pending=True)
        return [self._granted(self._registry.record(node)) for node in nodes if who.may_node(node.name)]

    def _granted(self, record: NodeRecord) -> NodeRecord:
        """The record, with what the node's credentials permit."""
        return replace(record, granted=self._groups.access.granted(record.name))

    def _node(self, name: str, who: Principal, field: str = "node", *, pending: bool = False) -> StoredNode:
        """The node, if it is in the caller's scope. `NotFound` lists only names in scope."""
        return node_in_scope(self._registry, name, who, field, pending=pending)

    def _searchable(self, name: str, who: Principal, field: str) -> None:
        """Like `_node`, for everything that can be searched: the nodes and the master's own collections."""
        who.need_node(name, field)
        known = [node.name for node in self._federation.nodes()]
        if name not in known:
            raise no_node(name, who.narrow(known))
