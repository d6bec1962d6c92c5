"""Handlers of the requests of masters to a node, bound to its verbs."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from collections.abc import Collection as Several
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import structlog
from msgspec.structs import replace

from fleetfold_broker.rpc.pipeline import MESSAGE, Call, Handler
from fleetfold_child.node.answerer import Answerer, answered
from fleetfold_child.node.health import Health
from fleetfold_shared.errors import InternalError, NotFound
from fleetfold_shared.messages import (
    CAPABILITIES,
    Cancelled,
    CancelRequest,
    CancelVerdict,
    Capability,
    Held,
    HoldsRequest,
    LedgerRequest,
    LedgerVerdicts,
    Message,
    NodeAnswer,
    NodeAudited,
    NodeAuditEntry,
    NodeAuditRequest,
    NodeDescription,
    NodeList,
    NodeQuestion,
    Pong,
    SearchAnswer,
    SearchRequest,
    ServiceCounters,
    Standing,
    StatisticsChunk,
    StatisticsRequest,
    Superseded,
)  # fmt: skip
from fleetfold_shared.verbs.node_requests import (
    ANSWER,
    AUDIT,
    CANCEL,
    COUNTERS,
    HOLDS,
    JOIN_AGAIN,
    LEDGER,
    PING,
    SEARCH,
    STANDING,
    STATISTICS,
    SUPERSEDED,
    NodeVerb,
)

if TYPE_CHECKING:  # NumPy is behind it
    from fleetfold_child.index import Collection

__all__ = ["Handlers"]

log = structlog.get_logger(__name__)

Takes = TypeVar("Takes", bound=Message)
Gives = TypeVar("Gives", bound=Message | None)


class NodeOperations(Protocol):
    """The part of the node that the handlers use."""

    @property
    def name(self) -> str: ...
    @property
    def in_flight(self) -> int: ...
    @property
    def description(self) -> NodeDescription: ...
    @property
    def epochs(self) -> dict[str, int]: ...
    @property
    def counters(self) -> ServiceCounters: ...
    @property
    def failing(self) -> dict[str, str]: ...
    @property
    def health(self) -> Health: ...
    async def cancel(self, ids: Several[str], by: str) -> dict[str, CancelVerdict]: ...
    async def audit(self, since: float | None, limit: int) -> list[NodeAuditEntry]: ...
    async def verdicts(self, ask: LedgerRequest) -> LedgerVerdicts: ...
    def supersede(self, incarnation: str) -> None: ...
    def apply_standing(self, standing: Standing) -> None: ...
    def join_again(self) -> None: ...


class Handlers:
    """The handlers of one node."""

    def __init__(
        self,
        incarnation: str,
        collections: Mapping[str, Collection],
        daemon: NodeOperations,
        answerer: Answerer | None = None,
    ) -> None:
        self._incarnation, self._collections, self._daemon = incarnation, collections, daemon
        self._answerer = answerer

    def by_verb(self, granted: Several[Capability] = CAPABILITIES) -> dict[NodeVerb[Any, Any], Handler]:
        """Return the handlers of the node's verbs, but for those that need what it was not `granted`."""
        rows = (
            _row(PING, self._ping),
            _row(SEARCH, self._search),
            _row(STATISTICS, self._statistics),
            _row(ANSWER, self._answer),
            _row(CANCEL, self._cancel),
            _row(COUNTERS, self._counters),
            _row(AUDIT, self._audit),
            _row(HOLDS, self._holds),
            _row(LEDGER, self._ledger),
            _row(SUPERSEDED, self._superseded),
            _row(JOIN_AGAIN, self._join_again),
            _row(STANDING, self._standing),
        )
        return {verb: handler for verb, handler in rows if verb.needs is None or verb.needs in granted}

    async def _ping(self, _ask: NodeList, _call: Call) -> Pong:
        return Pong(incarnation=self._incarnation, in_flight=self._daemon.in_flight, epochs=self._daemon.epochs)

    async def _search(self, ask: SearchRequest, call: Call) -> SearchAnswer:
        failing = self._daemon.failing
        if not self._collections and not failing:
            return SearchAnswer(status="no_collection")
        from fleetfold_child.index import search_collections

        left_s = call.remaining_s()  # less than in the request: it may have waited here
        if left_s is not None and left_s * 1000 < ask.deadline_ms:
            ask = replace(ask, deadline_ms=max(1, int(left_s * 1000)))
        with self._reading():
            return await search_collections(self._collections, ask, self._daemon.name, failing)

    async def _statistics(self, ask: StatisticsRequest, _call: Call) -> StatisticsChunk:
        if ask.collection not in self._collections and ask.collection in self._daemon.failing:
            from fleetfold_child.index.collection_statistics import Statistics

            return Statistics(self._incarnation).delta(ask)
        if ask.collection not in self._collections:
            raise NotFound(f"collection: there is no {ask.collection!r} here", field="collection")
        with self._reading():
            return await self._collections[ask.collection].summary(ask)

    async def _answer(self, ask: NodeQuestion, call: Call) -> NodeAnswer:
        return await answered(self._answerer, ask, call.remaining_s())

    async def _cancel(self, ask: CancelRequest, _call: Call) -> Cancelled:
        return Cancelled(verdicts=await self._daemon.cancel(ask.ids, ask.by))

    async def _counters(self, _ask: NodeList, _call: Call) -> ServiceCounters:
        return self._daemon.counters

    async def _audit(self, ask: NodeAuditRequest, _call: Call) -> NodeAudited:
        return NodeAudited(node=self._daemon.name, entries=await self._daemon.audit(ask.since, ask.limit))

    async def _holds(self, ask: HoldsRequest, _call: Call) -> Held:
        collection = self._collections.get(ask.collection)
        return Held(ids=[] if collection is None else sorted(await collection.existing(ask.ids)))

    async def _ledger(self, ask: LedgerRequest, _call: Call) -> LedgerVerdicts:
        return await self._daemon.verdicts(ask)

    async def _superseded(self, news: Superseded, _call: Call) -> None:
        self._daemon.supersede(news.incarnation)

    async def _join_again(self, _news: NodeList, _call: Call) -> None:
        self._daemon.join_again()

    async def _standing(self, standing: Standing, _call: Call) -> None:
        self._daemon.apply_standing(standing)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        """Read the index in a block; on LanceDB's errors, have the index checked and raise `InternalError`."""
        try:
            yield
        except TimeoutError:
            raise
        except (RuntimeError, OSError) as error:
            self._daemon.health.suspect("index")
            log.exception("index.unreadable")
            raise InternalError(f"{self._daemon.name}: its index cannot be read; see the node's log") from error


def _row(
    verb: NodeVerb[Takes, Gives], handle: Callable[[Takes, Call], Awaitable[Gives]]
) -> tuple[NodeVerb[Any, Any], Handler]:
    """Bind a handler to its verb: called with the decoded message, which an interceptor has found."""

    async def serve(call: Call) -> Message | None:
        ask = call.get(MESSAGE)
        assert isinstance(ask, verb.takes)
        return await handle(ask, call)

    return verb, serve
