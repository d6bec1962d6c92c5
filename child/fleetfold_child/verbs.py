"""What a node answers to its master."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from fleetfold_broker.service import Request
from fleetfold_child.index import Collection, search_collections
from fleetfold_shared.errors import NotFound
from fleetfold_shared.messages import (
    Message,
    NodeDescription,
    Pong,
    SearchAnswer,
    SearchAsk,
    StatisticsAsk,
    StatisticsChunk,
    Superseded,
    decode,
)  # fmt: skip

__all__ = ["Verbs"]


class Daemon(Protocol):
    """What the verbs need of the node."""

    @property
    def in_flight(self) -> int: ...
    @property
    def description(self) -> NodeDescription: ...
    def supersede(self, incarnation: str) -> None: ...
    def join_again(self) -> None: ...


class Verbs:
    """The handlers of `call.<node>.<verb>` and `ask.<verb>`."""

    def __init__(self, incarnation: str, collections: Mapping[str, Collection], daemon: Daemon) -> None:
        self._incarnation, self._collections, self._daemon = incarnation, collections, daemon

    def table(self) -> dict[str, Callable[[Request], Awaitable[Message]]]:
        """Each verb with its handler."""
        return {
            "ping": self._ping,
            "search": self._search,
            "statistics": self._statistics,
            "superseded": self._superseded,
            "join-again": self._join_again,
        }

    async def _ping(self, _request: Request) -> Pong:
        return Pong(incarnation=self._incarnation, in_flight=self._daemon.in_flight)

    async def _search(self, request: Request) -> SearchAnswer:
        return await search_collections(self._collections, decode(request.data, SearchAsk))

    async def _statistics(self, request: Request) -> StatisticsChunk:
        ask = decode(request.data, StatisticsAsk)
        if ask.collection not in self._collections:
            raise NotFound(f"collection: there is no {ask.collection!r} here", field="collection")
        return self._collections[ask.collection].statistics(ask)

    async def _superseded(self, request: Request) -> Pong:
        self._daemon.supersede(decode(request.data, Superseded).incarnation)
        return await self._ping(request)

    async def _join_again(self, request: Request) -> Pong:
        self._daemon.join_again()
        return await self._ping(request)
