"""Join requests: a node without a token is `pending` until an operator approves it."""

from __future__ import annotations

from msgspec.structs import replace

from fleetfold_master.access.join_request_rows import (
    StoredJoinRequest,
    approved,
    asked,
    dropped,
    granted,
    lapsed,
    read_join_request,
    read_join_requests,
)
from fleetfold_master.access.login_refusal import Refusal
from fleetfold_master.access.node_sessions import Sessions
from fleetfold_master.events import Announce, JoinRequestsChanged, announce_to_nobody
from fleetfold_master.nodes import Registry
from fleetfold_master.store import Store
from fleetfold_shared.clock import Clock
from fleetfold_shared.compatibility import check_version
from fleetfold_shared.concurrency import UncancelledTasks
from fleetfold_shared.credential_format import digest, fingerprint, same
from fleetfold_shared.errors import Conflict, InvalidInput, NotFound, Overloaded
from fleetfold_shared.messages import (
    CAPABILITIES,
    JoinRequest,
    JoinRequestReply,
    NodeDescription,
    NodeRecord,
    Tokens,
    encode,
)

__all__ = ["JoinRequests"]

MOST_PENDING = 1000
MOST_DESCRIPTION_BYTES = 4096
LAPSES_S = 86_400.0
AGAIN_S = 3600.0
"""Seconds for which a node may fetch its tokens again, in case the answer was lost."""


class JoinRequests:
    """The table of join requests; the registry lists the pending ones. Of a claim only its SHA-256 is stored.

    A change of the pending ones is passed to `announce`, so all masters list it before the answer.
    """

    def __init__(
        self, store: Store, clock: Clock, registry: Registry, sessions: Sessions,
        announce: Announce = announce_to_nobody,
    ) -> None:  # fmt: skip
        self._store, self._clock, self._registry, self._sessions = store, clock, registry, sessions
        self._announce = announce
        self._shown: set[str] = set()
        self._uncancelled = UncancelledTasks()

    async def load(self) -> None:
        """Load the pending ones into the registry, and remove the others from it."""
        waiting = {record.node: record for record in await read_join_requests(self._store)}
        for name in self._shown - waiting.keys():
            self._registry.pending.remove(name)
        for record in waiting.values():
            self._show(record)
        self._shown = set(waiting)

    async def ask(self, name: str, request: JoinRequest) -> JoinRequestReply:
        """Process a join request, first or repeated; with tokens once it is approved.

        Raises `Conflict` if another claim is pending under that name, or the name is a member; `Overloaded` if too
        many are pending; `Refusal` ("spent") if the tokens were fetched long ago.
        """
        return await self._uncancelled.run(self._ask(name, request))

    async def approve(self, node: str, only: str | None = None) -> NodeRecord:
        """Approve a pending node; with the fingerprint `only`, just the one that has it.

        Raises `NotFound` if it is not pending, `Conflict` for another fingerprint or an incompatible version.
        """
        return await self._uncancelled.run(self._approve(node, only))

    async def withdraw(self, node: str) -> None:
        """Delete the join request of a name, if there is one."""
        await self._uncancelled.run(self._withdraw(node))

    async def prune(self) -> None:
        """Delete join requests without progress for a day."""
        now = self._clock.wall()
        await self._store.write(lapsed(now - LAPSES_S, now - AGAIN_S))
        await self.load()

    async def close(self) -> None:
        """Wait for the writes in progress."""
        await self._uncancelled.close()

    async def _ask(self, name: str, request: JoinRequest) -> JoinRequestReply:
        claim = digest(request.claim)
        stored = await read_join_request(self._store, name)
        if stored is None or self._has_lapsed(stored):
            check_version(request.description.version)
            self._refuse_members(name)
            stored = await self._begin(name, request)
        if not same(stored.claim, claim):
            raise Conflict(
                f"node: another one waits to be approved as {name!r}; choose another name, or have it removed",
                field="node",
            )
        if stored.approved_at is None:
            self._show(stored)
            return JoinRequestReply(fingerprint=stored.fingerprint)
        return JoinRequestReply(fingerprint=stored.fingerprint, tokens=await self._grant(stored))

    async def _begin(self, name: str, request: JoinRequest) -> StoredJoinRequest:
        """Insert the join request. Returns the one that is now stored: this one, or another's that was faster."""
        now = self._clock.wall()
        record = StoredJoinRequest(
            node=name, claim=digest(request.claim), fingerprint=fingerprint(request.claim),
            description=_bounded(request.description), asked_at=now,
        )  # fmt: skip
        await self._store.write(lapsed(now - LAPSES_S, now - AGAIN_S), asked(record, MOST_PENDING))
        stored = await read_join_request(self._store, name)
        await self._announce(JoinRequestsChanged(name))
        if stored is None:
            raise Overloaded(f"node: {MOST_PENDING} nodes wait to be approved already; try again later", field="node")
        return stored

    async def _grant(self, stored: StoredJoinRequest) -> Tokens:
        now = self._clock.wall()
        if stored.granted_at is None:
            await self._store.write(granted(stored.node, stored.claim, now))
        elif stored.granted_at + AGAIN_S <= now:
            raise Refusal("spent", "the tokens of this join request have been fetched", stored.node)
        return await self._sessions.open(stored.node, CAPABILITIES)

    async def _approve(self, node: str, only: str | None) -> NodeRecord:
        waiting = await read_join_request(self._store, node)
        if waiting is not None and waiting.approved_at is None:
            self._registry.check_approval(node, waiting.description)
        if await self._store.write(approved(node, only, self._clock.wall())) != 1:
            stored = await read_join_request(self._store, node)
            if stored is None or stored.approved_at is not None:
                raise NotFound(f"node: no {node!r} waits to be approved; see `fleetfold nodes list`", field="node")
            raise Conflict(
                f"fingerprint: the node that waits as {node!r} shows {stored.fingerprint}; "
                "compare it with what the node itself says",
                field="fingerprint",
            )
        stored = await read_join_request(self._store, node)
        if stored is not None:
            self._show(stored)  # another master may have received it
        self._shown.discard(node)
        record = await self._registry.approve(node)
        await self._announce(JoinRequestsChanged(node))
        return record

    async def _withdraw(self, node: str) -> None:
        await self._store.write(dropped(node))
        self._shown.discard(node)
        self._registry.pending.remove(node)
        await self._announce(JoinRequestsChanged(node))

    def _show(self, stored: StoredJoinRequest) -> None:
        self._registry.pending.add(stored.node, stored.description, stored.asked_at, stored.fingerprint)
        self._shown.add(stored.node)

    def _has_lapsed(self, stored: StoredJoinRequest) -> bool:
        waits_since = stored.approved_at or stored.asked_at
        return stored.granted_at is None and waits_since < self._clock.wall() - LAPSES_S

    def _refuse_members(self, name: str) -> None:
        """Refuse names of members, except one that has lost its credentials and is silent."""
        if self._sessions.has(name) or self._registry.healthy(name):
            raise Conflict(f"node: {name!r} is a member already; choose another name", field="node")


def _bounded(description: NodeDescription) -> NodeDescription:
    """The part of an unauthenticated description that helps to identify the node; the rest comes when it joins."""
    short = replace(description, actions=[], collections=[])
    if len(encode(short)) > MOST_DESCRIPTION_BYTES:
        raise InvalidInput("description: too long to wait for approval with; use fewer labels", field="description")
    return short
