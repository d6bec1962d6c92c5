"""Request and reply between masters, in the masters' own account of the bus."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from fleetfold_broker.bus import Bus
from fleetfold_broker.connection.subscription import Incoming
from fleetfold_broker.limited_log import LimitedLog
from fleetfold_broker.rpc.pipeline import Handler
from fleetfold_broker.rpc.request_server import RequestServer
from fleetfold_master.cluster.membership import Membership
from fleetfold_shared import __version__
from fleetfold_shared.errors import FleetfoldError, InvalidInput
from fleetfold_shared.messages import Message, decode

__all__ = ["Peers"]

log = structlog.get_logger(__name__)

T = TypeVar("T", bound=Message)

ALL = "all"
STOP_S = 1.0


class Peers:
    """Sends requests to other masters and serves theirs. The owner calls `stop` at the end."""

    def __init__(self, bus: Bus, membership: Membership) -> None:
        self._bus, self._membership = bus, membership
        self._quiet = LimitedLog(log)
        self._services: list[RequestServer] = []
        self._ends: list[Callable[[], Awaitable[None]]] = []

    @property
    def me(self) -> str:
        """This master's id."""
        return self._membership.id

    @property
    def others(self) -> frozenset[str]:
        """The ids of the live peers, at most half a second old."""
        return self._membership.others

    async def ask(self, master: str, verb: str, message: Message, kind: type[T], timeout_s: float) -> T:
        """Request a reply from one master. Raises `Unavailable` at once if it is absent, `DeadlineExceeded`, or the
        peer's error."""
        return await self._bus.request(self._bus.subjects.peer(master, verb), message, kind, timeout_s)

    async def ask_all(self, verb: str, message: Message, kind: type[T], timeout_s: float) -> dict[str, T]:
        """Request a reply from all peers. Peers that fail or do not answer in time are absent from the result."""

        async def one(master: str) -> tuple[str, T] | None:
            try:
                return master, await self.ask(master, verb, message, kind, timeout_s)
            except FleetfoldError as error:
                log.warning("peer.no_answer", master=master, verb=verb, reason=error.message)
                return None

        answers = await asyncio.gather(*(one(master) for master in self.others))
        return dict(each for each in answers if each is not None)

    async def say(self, verb: str, message: Message) -> None:
        """Publish to all peers, without a reply."""
        await self._bus.publish(self._bus.subjects.peer(ALL, verb), message)

    async def serve(self, verb: str, handler: Handler) -> None:
        """Serve requests of peers. Each verb has its own concurrency limit."""
        service = RequestServer(self._bus, f"peer-{verb}", version=__version__)
        self._services.append(service)
        # A queue group of its own: during a renewal of the connection, each request arrives once, not twice.
        await service.serve(verb, self._bus.subjects.peer(self.me, verb), handler, queue=self.me)

    async def hear(self, verb: str, kind: type[T], heard: Callable[[T], None]) -> None:
        """Subscribe to what peers publish with `say`."""

        async def receive(message: Incoming) -> None:
            try:
                heard(decode(message.data, kind))
            except InvalidInput as error:
                self._quiet.warning("peer.malformed", verb, verb=verb, reason=error.message)

        self._ends.append(await self._bus.connection.subscribe(self._bus.subjects.peer(ALL, verb), receive))

    async def stop(self) -> None:
        """Unsubscribe from the peers' subjects."""
        for end in self._ends:
            await end()
        await asyncio.gather(*(service.stop(STOP_S) for service in self._services))
