"""The master's API without a bus: real access rooms over a real store; what searches, runs and joins is a stub."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from fleetfold_broker.gather import Answer
from fleetfold_broker.service import Request
from fleetfold_broker.subjects import Subjects
from fleetfold_master.access.authority import Authority, Principal
from fleetfold_master.access.limits import Limits
from fleetfold_master.access.rooms import AccessRooms
from fleetfold_master.access.signing import SigningKeys
from fleetfold_master.actions import Bulk
from fleetfold_master.actions.endings import Endings
from fleetfold_master.asking import Answering
from fleetfold_master.definitions import Definitions
from fleetfold_master.letters import Letters
from fleetfold_master.masters import Membership, Roll
from fleetfold_master.nodes import Presence, Registry
from fleetfold_master.quality import Book, Counts, Measuring
from fleetfold_master.schedules import Schedules
from fleetfold_master.search import Cache
from fleetfold_master.service.access_api import AccessApi
from fleetfold_master.service.api import Api
from fleetfold_master.service.cache_api import CacheApi
from fleetfold_master.service.definition_api import DefinitionApi
from fleetfold_master.service.guard import Guard
from fleetfold_master.service.job_api import JobApi
from fleetfold_master.service.letter_api import LetterApi
from fleetfold_master.service.master_api import MasterApi
from fleetfold_master.service.quality_api import QualityApi
from fleetfold_master.service.rooms import Rooms
from fleetfold_master.service.runs_api import RunsApi
from fleetfold_master.service.schedule_api import ScheduleApi
from fleetfold_master.service.starting import Starting
from fleetfold_master.service.transaction_api import TransactionApi
from fleetfold_master.store import Store
from fleetfold_master.store.nodes import Nodes
from fleetfold_shared.clock import ManualClock
from fleetfold_shared.config import AccessConfig, AskConfig, SearchConfig
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
    Message,
    NodeAuditAsk,
    NodeAudited,
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

__all__ = ["Desk", "Log", "job", "open_desk", "transaction"]

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
        self.endings = Endings()
        self.all: dict[str, Job] = {}

    async def start(self, run: Run, targets: Sequence[str], caller: str, role: str = "") -> Job:
        self.all[run.id] = job(run.id, caller, *targets)
        return self.all[run.id]

    def drives(self, key: str) -> bool:
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

    async def audit(self, ask: NodeAuditAsk) -> NodeAudited:
        return NodeAudited(node=ask.node, entries=[])


class _Gatherer:
    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    async def ask(self, verb: str, nodes: Collection[str], data: bytes, timeout_s: float) -> dict[str, Answer]:
        self.asked.append(list(nodes))
        return {}


class Desk:
    """One API with its guard. `people` are the identities there are, `living` the nodes that answer."""

    def __init__(self, store: Store, keys: Path, limits: dict[Any, int]) -> None:
        self.clock = ManualClock()
        self.log = Log()
        self.people: dict[str, Principal] = {}
        self.living: set[str] = set()
        self.dropped: list[str] = []
        presence = Presence(self.clock, 5.0)
        self.registry = Registry(Nodes(store), presence, self.clock, VERSION)
        self.federation, self.jobs, self.transactions = _Federation(self.registry), _Jobs(), _Transactions()
        self.fleet, self.gatherer = _Fleet(self.registry), _Gatherer()
        signing = SigningKeys.load(keys, {}, self.clock)
        self.rooms = AccessRooms(
            store, self.registry, signing, AccessConfig(pending=True), Subjects(), self.clock, self._live
        )
        self.audit = self.rooms.audit
        self.guard = Guard(
            Authority(self.people.get), Limits(limits, self.clock), self.log, lambda name: f"host-of-{name}", self.clock
        )
        self.access = AccessApi(
            self.rooms, self.registry, self.fleet, self.guard.refusals, self._drop, self._live,  # type: ignore[arg-type]
        )  # fmt: skip
        self.cache = Cache(store, self.clock, SearchConfig())
        self.quality = QualityApi(
            Book(store, self.clock), Counts(store, self.clock, 90),
            Measuring(store, self.federation.search, self.clock), self.registry, _not_known,
        )  # fmt: skip
        answering = Answering(AskConfig(), self.registry, None, None)  # type: ignore[arg-type]  # it finds nothing to read
        definitions = Definitions(store, self.clock, self.registry.find)
        transactions = TransactionApi(self.transactions, definitions)  # type: ignore[arg-type]
        jobs = JobApi(self.jobs)  # type: ignore[arg-type]
        runs = RunsApi(self.registry, self.jobs, Bulk(store, self.jobs), self.guard.refusals, self.clock)  # type: ignore[arg-type]
        cache = CacheApi(self.cache, self.federation)  # type: ignore[arg-type]
        starting = Starting(self.guard._authority, self.log)
        self.membership = Membership(store, self.clock, "seat")
        self.schedules, self.letters = Schedules(store, self.clock, starting.begin), Letters(store, self.clock)
        others = (
            runs, jobs, DefinitionApi(definitions), ScheduleApi(self.schedules, self.guard._authority, starting),
            LetterApi(self.letters, starting, _nobody), MasterApi(Roll(store, self.membership).call),
        )  # fmt: skip
        rooms = Rooms(self.access, transactions, cache, self.quality, answering, others)
        self.api = Api(
            SimpleNamespace(subjects=Subjects()), self.registry, presence, self.fleet, self.federation, self.jobs,  # type: ignore[arg-type]
            self.gatherer, self.guard, rooms,  # type: ignore[arg-type]
        )  # fmt: skip
        starting.serve(self.api.verbs())

    async def ask(self, who: str, verb: str, message: Message) -> Any:
        """What `who` gets for an answer; raises the error."""
        return await self.send(self.request(who, verb, encode(message)), verb)

    def request(self, who: str, verb: str, data: bytes) -> Request:
        return Request(Subjects().api(who, verb), data, who, None, {})

    async def send(self, request: Request, verb: str) -> Any:
        return await self.guard.around(verb, self.api.verbs()[verb])(request)

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
async def open_desk(place: Path, limits: dict[Any, int] | None = None) -> AsyncIterator[Desk]:
    """A desk with three nodes, over a new store below `place`."""
    store = await Store.open(f"sqlite:///{place}/master.db")
    desk = Desk(store, place / "keys", limits or {})
    try:
        await desk.membership.join()
        await desk.populate()
        await desk.rooms.load()
        yield desk
    finally:
        await desk.access.close()
        await desk.rooms.close()
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


async def _not_known(_node: str, _collection: str, _ids: list[str]) -> None:
    """Whether a document is there."""


async def _nobody(key: str) -> None:
    raise NotFound(f"id: no delivery {key!r} was given up", field="id")
