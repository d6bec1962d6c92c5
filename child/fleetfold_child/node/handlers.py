"""Handlers of the requests of masters to a node."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from collections.abc import Collection as Several
from typing import TYPE_CHECKING, Protocol

import structlog
from msgspec.structs import replace

from fleetfold_broker.rpc.pipeline import Call
from fleetfold_child.node.answerer import Answerer, answered
from fleetfold_shared.errors import InternalError, InvalidInput, NotFound
from fleetfold_shared.messages import (
    CancelAsk,
    Cancelled,
    CancelVerdict,
    Held,
    HoldsAsk,
    Message,
    NodeAnswer,
    NodeAuditAsk,
    NodeAudited,
    NodeAuditEntry,
    NodeDescription,
    NodeList,
    NodePart,
    NodeQuestion,
    Pong,
    SearchAnswer,
    SearchAsk,
    ServiceFigures,
    Standing,
    StatisticsAsk,
    StatisticsChunk,
    Superseded,
    decode,
)  # fmt: skip

if TYPE_CHECKING:  # NumPy is behind it
    from fleetfold_child.index import Collection

__all__ = ["Handlers"]

log = structlog.get_logger(__name__)


class Daemon(Protocol):
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
    def figures(self) -> ServiceFigures: ...
    async def cancel(self, ids: Several[str], by: str) -> dict[str, CancelVerdict]: ...
    async def audit(self, since: float | None, limit: int) -> list[NodeAuditEntry]: ...
    def supersede(self, incarnation: str) -> None: ...
    def suspect(self, part: NodePart) -> None: ...
    def told(self, standing: Standing) -> None: ...
    def join_again(self) -> None: ...


class Handlers:
    """The handlers of `ask.<verb>` and `call.<node>.<verb>`."""

    def __init__(
        self, incarnation: str, collections: Mapping[str, Collection], daemon: Daemon, answerer: Answerer | None = None
    ) -> None:
        self._incarnation, self._collections, self._daemon = incarnation, collections, daemon
        self._answerer = answerer

    def asked(self, *, of_documents: bool = True) -> dict[str, Callable[[Call], Awaitable[Message]]]:
        """Return the handlers by verb; without `of_documents` only those of every node."""
        if not of_documents:
            return {"ping": self._ping}
        return {"ping": self._ping, "search": self._search, "statistics": self._statistics, "rag": self._rag}

    def asked_alone(self) -> dict[str, Callable[[Call], Awaitable[Message]]]:
        """Return the handlers of verbs that are never broadcast."""
        return {"cancel": self._cancel, "figures": self._figures, "audit": self._audit, "holds": self._holds}

    def told(self) -> dict[str, Callable[[Call], Awaitable[None]]]:
        """Return the handlers of notifications: no reply, and malformed ones are dropped."""
        return {"superseded": self._superseded, "join-again": self._join_again, "standing": self._standing}

    async def _ping(self, call: Call) -> Pong:
        decode(call.body, NodeList)
        return Pong(incarnation=self._incarnation, in_flight=self._daemon.in_flight, epochs=self._daemon.epochs)

    async def _search(self, call: Call) -> SearchAnswer:
        ask = decode(call.body, SearchAsk)
        if not self._collections:
            return SearchAnswer(status="no_collection")
        from fleetfold_child.index import search_collections

        left_s = call.remaining_s()  # less than in the request: it may have waited here
        if left_s is not None and left_s * 1000 < ask.deadline_ms:
            ask = replace(ask, deadline_ms=max(1, int(left_s * 1000)))
        with self._reading():
            return await search_collections(self._collections, ask, self._daemon.name)

    async def _statistics(self, call: Call) -> StatisticsChunk:
        ask = decode(call.body, StatisticsAsk)
        if ask.collection not in self._collections:
            raise NotFound(f"collection: there is no {ask.collection!r} here", field="collection")
        with self._reading():
            return await self._collections[ask.collection].summary(ask)

    async def _rag(self, call: Call) -> NodeAnswer:
        return await answered(self._answerer, decode(call.body, NodeQuestion), call.remaining_s())

    async def _cancel(self, call: Call) -> Cancelled:
        ask = decode(call.body, CancelAsk)
        return Cancelled(verdicts=await self._daemon.cancel(ask.ids, ask.by))

    async def _figures(self, call: Call) -> ServiceFigures:
        decode(call.body, NodeList)
        return self._daemon.figures

    async def _audit(self, call: Call) -> NodeAudited:
        ask = decode(call.body, NodeAuditAsk)
        return NodeAudited(node=self._daemon.name, entries=await self._daemon.audit(ask.since, ask.limit))

    async def _holds(self, call: Call) -> Held:
        ask = decode(call.body, HoldsAsk)
        collection = self._collections.get(ask.collection)
        return Held(ids=[] if collection is None else sorted(await collection.existing(ask.ids)))

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        """Read the index in a block; on LanceDB's errors, have the index checked and raise `InternalError`."""
        try:
            yield
        except TimeoutError:
            raise
        except (RuntimeError, OSError) as error:
            self._daemon.suspect("index")
            log.exception("index.unreadable")
            raise InternalError(f"{self._daemon.name}: its index cannot be read; see the node's log") from error

    async def _superseded(self, call: Call) -> None:
        with contextlib.suppress(InvalidInput):
            self._daemon.supersede(decode(call.body, Superseded).incarnation)

    async def _standing(self, call: Call) -> None:
        with contextlib.suppress(InvalidInput):
            self._daemon.told(decode(call.body, Standing))

    async def _join_again(self, call: Call) -> None:
        with contextlib.suppress(InvalidInput):
            decode(call.body, NodeList)
            self._daemon.join_again()
