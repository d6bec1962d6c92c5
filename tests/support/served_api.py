"""The master's API without a bus: real access rooms over a real store; what searches, runs and joins is a stub."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Collection, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fleetfold_broker.rpc.pipeline import Call, Handler
from fleetfold_broker.rpc.scatter import ScatterReply
from fleetfold_broker.subjects import Subjects
from fleetfold_master.access.authorizer import Authorizer, Principal
from fleetfold_master.access.container import AccessContainer
from fleetfold_master.access.rate_limits import Limits
from fleetfold_master.access.signing_keys import SigningKeys
from fleetfold_master.answering import Answering
from fleetfold_master.api import (
    AccessPolicy,
    AccessVerbs,
    ActionVerbs,
    ApiServer,
    Bindings,
    CacheVerbs,
    DeadLetterVerbs,
    DefinitionVerbs,
    DeniedRequests,
    Disconnection,
    EvaluationVerbs,
    JobVerbs,
    KeyVerbs,
    MasterVerbs,
    NodeAccessVerbs,
    NodeVerbs,
    RecoveryVerbs,
    RunAs,
    ScheduleVerbs,
    SearchVerbs,
    TransactionVerbs,
    api_interceptors,
    bind,
)
from fleetfold_master.cluster import MemberList, Membership, Surroundings
from fleetfold_master.dead_letters import DeadLetters
from fleetfold_master.definitions import Definitions
from fleetfold_master.evaluation import Evaluation, Judgements, SearchStatistics
from fleetfold_master.jobs import BulkReads
from fleetfold_master.jobs.waiters import CompletionWaiters
from fleetfold_master.nodes import Presence, Registry
from fleetfold_master.nodes.node_rows import NodeRows
from fleetfold_master.recovery import (
    HeldTransactions,
    LedgerReconciliation,
    Recall,
    Restoration,
    SettledCommands,
)
from fleetfold_master.schedules import Schedules
from fleetfold_master.search import Cache
from fleetfold_master.store import Store
from fleetfold_shared.clock import ManualClock
from fleetfold_shared.config import AccessConfig, AnsweringConfig, RetentionConfig, SearchConfig
from fleetfold_shared.errors import NotFound
from fleetfold_shared.messages import (
    ActionInfo,
    AuditEntry,
    CollectionInfo,
    Job,
    JobList,
    JobNode,
    Join,
    Joined,
    LedgerMark,
    LedgerRequest,
    LedgerVerdicts,
    Message,
    NodeAudited,
    NodeAuditRequest,
    NodeDescription,
    Run,
    Search,
    Searched,
    StepView,
    Transact,
    TransactionState,
    TransactionView,
    encode,
)
from fleetfold_shared.restored_marker import MARKER

__all__ = ["Log", "ServedApi", "at_the_owner", "job", "open_served_api", "transaction"]

VERSION = "1.0"
NODES = {"shop-1": ["products", "orders"], "shop-2": ["products"], "blog": ["posts"]}
ACTIONS = ("cancel_order", "refund", "index")


class Log:
    """An audit log in memory; `written` are those that were committed before their request was answered."""

    def __init__(self) -> None:
        self.entries: list[AuditEntry] = []
        self.written: list[AuditEntry] = []

    def note(self, who: str, what: str, outcome: Any, **more: Any) -> None:
        self.entries.append(AuditEntry(seq=len(self.entries) + 1, at=0.0, who=who, what=what, outcome=outcome, **more))

    async def write(self, who: str, what: str, outcome: Any, **more: Any) -> None:
        self.note(who, what, outcome, **more)
        self.written.append(self.entries[-1])


class _Federation:
    def __init__(self, registry: Registry) -> None:
        self.asked: list[Search] = []
        self.nodes = registry.all

    async def search(self, ask: Search, asked: Search | None = None) -> Searched:
        self.asked.append(ask)
        return Searched(query=ask.query, hits=[], nodes=[], total=0, took_ms=1.0, partial=False)


class _Jobs:
    def __init__(self) -> None:
        self.endings = CompletionWaiters()
        self.all: dict[str, Job] = {}

    async def start(self, run: Run, targets: Sequence[str], caller: str, role: str = "") -> Job:
        self.all[run.id] = job(run.id, caller, *targets)
        return self.all[run.id]

    def owns(self, key: str) -> bool:
        return False

    async def get(self, key: str) -> Job:
        if key not in self.all:
            raise NotFound(f"id: there is no job {key!r}", field="id")
        return self.all[key]

    async def wait(self, key: str, timeout_s: float) -> Job:
        return await self.get(key)

    async def cancel(self, key: str, by: str) -> Job:
        return await self.get(key)

    async def changes(self, key: str, timeout_s: float) -> AsyncIterator[Job]:
        yield await self.get(key)

    async def list(self, limit: int, of: JobList) -> list[Job]:
        return list(self.all.values())[:limit]


class _Transactions:
    def __init__(self) -> None:
        self.all: dict[str, TransactionView] = {}
        self.open: dict[str, list[str]] = {}

    async def start(
        self, transact: Transact, caller: str, role: str = "", *, asked: Transact | None = None
    ) -> TransactionView:
        self.all[transact.id] = transaction(transact.id, caller, *(step.node for step in transact.steps))
        return self.all[transact.id]

    async def get(self, key: str) -> TransactionView:
        return self.all[key]

    async def wait(self, key: str, timeout_s: float) -> TransactionView:
        return self.all[key]

    async def list(self, limit: int, state: TransactionState | None) -> list[TransactionView]:
        return list(self.all.values())[:limit]

    async def open_on(self, node: str) -> list[str]:
        return self.open.get(node, [])


class _Fleet:
    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self.joined: list[str] = []

    async def join(self, name: str, ask: Join) -> Joined:
        self.joined.append(name)
        return Joined(node=name, state="active", heartbeat_s=5.0)

    async def remove(self, name: str) -> None:
        await self._registry.remove(name)

    async def audit(self, ask: NodeAuditRequest) -> NodeAudited:
        return NodeAudited(node=ask.node, entries=[])

    async def verdicts(self, node: str, ids: Sequence[str]) -> LedgerVerdicts:
        del node, ids
        return LedgerVerdicts(mark=LedgerMark("a", 0), retention_s=86_400.0)

    async def ask_ledger(self, node: str, ask: LedgerRequest) -> LedgerVerdicts:
        return await self.verdicts(node, ask.ids)

    async def ledger_accepted(self, node: str) -> None:
        self.joined.append(node)


class _Gatherer:
    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    async def ask(self, verb: str, nodes: Collection[str], data: bytes, timeout_s: float) -> dict[str, ScatterReply]:
        self.asked.append(list(nodes))
        return {}

    async def probe(self, verb: str, data: bytes, timeout_s: float) -> dict[str, float]:
        return {}


class ServedApi:
    """One API with its pipeline. `people` are the identities there are, `living` the nodes that answer."""

    def __init__(self, store: Store, keys: Path, limits: dict[Any, int]) -> None:
        self.clock = ManualClock()
        self.log = Log()
        self.people: dict[str, Principal] = {}
        self.living: set[str] = set()
        self.dropped: list[str] = []
        presence = Presence(self.clock, 5.0)
        self.registry = Registry(NodeRows(store), presence, self.clock, VERSION)
        self.federation, self.jobs, self.transactions = _Federation(self.registry), _Jobs(), _Transactions()
        self.fleet, self.gatherer = _Fleet(self.registry), _Gatherer()
        signing = SigningKeys.load(keys, {}, self.clock)
        self.rooms = AccessContainer(
            store, self.registry, signing, AccessConfig(pending=True), Subjects(), self.clock, self._live
        )
        self.audit = self.rooms.audit
        self.denied = DeniedRequests(self.log, _host_of, self.clock)
        self.policy = AccessPolicy(
            Authorizer(self.people.get), Limits(limits, self.clock), self.log, self.denied, _host_of, self.clock
        )
        self.disconnection = Disconnection(self.rooms, self._drop)
        self.cache, statistics = Cache(store, self.clock, SearchConfig()), SearchStatistics(store, self.clock, 90)
        evaluation = EvaluationVerbs(
            Judgements(store, self.clock), statistics, Evaluation(store, self.federation.search, self.clock),
            self.registry, _not_known,
        )  # fmt: skip
        answering = Answering(AnsweringConfig(), self.registry, None, None)  # type: ignore[arg-type]  # it finds nothing to read
        definitions, bulk = Definitions(store, self.clock, self.registry.find), BulkReads(store, self.jobs)  # type: ignore[arg-type]
        actions = ActionVerbs(self.registry, self.jobs, bulk, self.denied, self.clock)  # type: ignore[arg-type]
        transactions = TransactionVerbs(self.transactions, definitions)  # type: ignore[arg-type]
        run_as = RunAs(self.policy.authorizer, self.log, (actions, transactions))
        self.membership = Membership(store, self.clock, "instance")
        self.restoration = Restoration(
            store, self.clock, self.registry, Recall(store, self.fleet.ask_ledger, lambda _node, _mark: True),  # type: ignore[arg-type]
            HeldTransactions(store, self.membership.id), self.membership, keys / MARKER,
        )  # fmt: skip
        self.schedules, self.dead_letters = Schedules(store, self.clock, run_as.begin), DeadLetters(store, self.clock)
        self.bindings: Bindings = bind((
            NodeVerbs(
                self.registry, presence, self.fleet, self.gatherer, self.disconnection,  # type: ignore[arg-type]
                self.rooms.sessions.granted, self.transactions.open_on,
            ),
            NodeAccessVerbs(self.rooms, self.registry, self.fleet, self.disconnection, self._live),  # type: ignore[arg-type]
            KeyVerbs(self.rooms, self.disconnection),
            SearchVerbs(self.registry, self.federation, answering, self.cache.popular, statistics),  # type: ignore[arg-type]
            CacheVerbs(self.cache, self.federation), evaluation, actions, JobVerbs(self.jobs, bulk), transactions,  # type: ignore[arg-type]
            DefinitionVerbs(definitions), ScheduleVerbs(self.schedules, self.policy.authorizer, run_as),
            DeadLetterVerbs(self.dead_letters, run_as, _nobody), AccessVerbs(self.rooms, self.denied),
            RecoveryVerbs(
                SettledCommands(store, self.clock, RetentionConfig()),
                LedgerReconciliation(store, self.clock, self.registry, self.fleet.verdicts, self.fleet.ledger_accepted),
                self.restoration,
            ),
            MasterVerbs(MemberList(store, self.membership, Surroundings(Path("/"), store, None)).call),
        ))  # fmt: skip

    @property
    def api(self) -> ApiServer:
        """The API as it is now: a test may put other `bindings` in place."""
        return ApiServer(Subjects(), self.bindings, api_interceptors(self.policy, self.bindings, at_the_owner))

    async def ask(self, who: str, verb: str, message: Message) -> Any:
        """What `who` gets for an answer; raises the error."""
        return await self.send(self.request(who, verb, encode(message)))

    def request(self, who: str, verb: str, data: bytes) -> Call:
        return Call(verb=verb, subject=Subjects().api(who, verb), body=data, identity=who)

    async def send(self, call: Call) -> Any:
        return await self.api.handle(call)

    async def populate(self) -> None:
        """Nodes to ask for."""
        for name, collections in NODES.items():
            await self.registry.join(name, described(*collections), self._probe)

    async def _drop(self, name: str) -> int:
        self.dropped.append(name)
        return 1

    async def _live(self, name: str) -> bool:
        return name in self.living

    async def _probe(self, name: str) -> str | None:
        return None


@asynccontextmanager
async def open_served_api(place: Path, limits: dict[Any, int] | None = None) -> AsyncIterator[ServedApi]:
    """A served API with three nodes, over a new store below `place`."""
    store = await Store.open(f"sqlite:///{place}/master.db")
    served = ServedApi(store, place / "keys", limits or {})
    try:
        await served.membership.join()
        await served.populate()
        await served.rooms.load()
        yield served
    finally:
        await served.disconnection.close()
        await served.rooms.close()
        await store.close()


def described(*collections: str) -> NodeDescription:
    return NodeDescription(
        incarnation="i1", version=VERSION, collections=[CollectionInfo(name) for name in collections],
        actions=[ActionInfo(name, {"type": "object"}) for name in ACTIONS],
    )  # fmt: skip


def job(key: str, caller: str, *nodes: str) -> Job:
    """A job of `caller` that has ended on these nodes."""
    parts = [JobNode(node, "ok") for node in nodes]
    return Job(id=key, action="refund", params={}, state="ok", nodes=parts, caller=caller, created_at=1.0)


def transaction(key: str, caller: str, *nodes: str) -> TransactionView:
    """A transaction of `caller` that is committed, with a step on each of these nodes."""
    steps = [StepView(f"s{number}", node, "refund", number, "done") for number, node in enumerate(nodes)]
    return TransactionView(
        id=key, name="", state="committed", steps=steps, timeline=[], caller=caller, created_at=1.0, ended_at=2.0
    )


def _host_of(name: str) -> str:
    return f"host-of-{name}"


def at_the_owner(call: Call, proceed: Handler) -> Awaitable[Message | None]:
    """This master owns everything: nothing is forwarded."""
    return proceed(call)


async def _not_known(_node: str, _collection: str, _ids: list[str]) -> None:
    """Whether a document is there."""


async def _nobody(key: str) -> None:
    raise NotFound(f"id: no delivery {key!r} was given up", field="id")
