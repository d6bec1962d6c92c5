"""`Client`: for any program that wants to search the fleet or publish commands on its bus."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from fleetfold.caller import ANSWER_S
from fleetfold.calls.access import AccessCalls
from fleetfold.calls.answering import AskCalls
from fleetfold.calls.cache import CacheCalls
from fleetfold.calls.dead_letters import DeadLetterCalls
from fleetfold.calls.definitions import DefinitionCalls
from fleetfold.calls.evaluation import QualityCalls
from fleetfold.calls.events import EventCalls
from fleetfold.calls.jobs import JobCalls
from fleetfold.calls.runs import RunCalls
from fleetfold.calls.schedules import ScheduleCalls
from fleetfold.calls.search import SearchCalls
from fleetfold.calls.transactions import TransactionCalls
from fleetfold.credentials import API_KEY, ApiKey, find_api_key
from fleetfold.logging import configure_library
from fleetfold.state_directory import find_url
from fleetfold.tls import find_tls
from fleetfold_broker.bus import Bus
from fleetfold_broker.subjects import Subjects
from fleetfold_shared.config import TlsConfig
from fleetfold_shared.errors import Unauthenticated
from fleetfold_shared.ids import check_slug
from fleetfold_shared.messages import (
    Job,
    JobGet,
    JobList,
    JobListed,
    JobState,
    MasterInfo,
    MasterList,
    MasterListed,
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
)  # fmt: skip
from fleetfold_shared.urls import redacted_url

__all__ = ["Client"]

configure_library()


class Client(
    SearchCalls, AskCalls, RunCalls, JobCalls, TransactionCalls, DefinitionCalls, ScheduleCalls, DeadLetterCalls,
    QualityCalls, CacheCalls, AccessCalls, EventCalls,
):  # fmt: skip
    """A caller of the fleet. `async with await Client.connect() as fleet: await fleet.search("tent")`.

    All methods raise `fleetfold.errors.FleetfoldError`: `InvalidInput` and `NotFound` for the caller's mistakes,
    `Unavailable` when no broker or master answers, `DeadlineExceeded` when time is over, `Forbidden` when the identity
    may not, `RateLimited` with `retry_after_s` when it asks too often.
    """

    @classmethod
    async def connect(
        cls,
        url: str | None = None,
        *,
        name: str | None = None,
        key: str | Path | None = None,
        ca: str | Path | None = None,
        prefix: str = "fleet",
    ) -> Self:
        """Connect. Without `url`: `$FLEETFOLD_URL`, else the fleet that `fleetfold up` started here.

        `key` is an API key, or the file that holds one; without it that of `$FLEETFOLD_API_KEY` or
        `$FLEETFOLD_API_KEY_FILE`, else this machine's own, if the fleet runs here. The caller is who the key names;
        `name` is only for a fleet without identities. `ca` is the file of the CA to trust. `Unauthenticated` when the
        fleet does not take the key, or wants one.
        """
        url = find_url(url)
        shown_key = find_api_key(url, key)
        named = check_slug(name or "client", "name")
        caller = shown_key.name if shown_key else named
        tls = find_tls(url, TlsConfig(ca=str(ca)) if ca else None)
        try:
            return cls(await Bus.connect(url, caller, Subjects(prefix), credential=shown_key, tls=tls))
        except Unauthenticated:
            raise Unauthenticated(_unwelcome(redacted_url(url), shown_key)) from None

    async def nodes(self, *, removed: bool = False, where: str | None = None) -> list[NodeRecord]:
        """The nodes by name, those for which `where` holds; with `removed` also those that were taken out."""
        return (await self._ask("nodes.list", NodeList(all=removed, where=where), NodeListed)).nodes

    async def node(self, name: str) -> NodeRecord:
        """One node."""
        return await self._ask("nodes.get", NodeGet(node=name), NodeRecord)

    async def update_node(self, change: NodeUpdate) -> NodeRecord:
        """Set a node's state, title, labels or weight. `Conflict` for an incompatible node that is to be active."""
        return await self._ask("nodes.update", change, NodeRecord)

    async def remove_node(self, name: str) -> None:
        """Take a node out of the fleet; its name may return."""
        await self._ask("nodes.remove", NodeRemove(node=name), NodeRemoved)

    async def ping(self, *names: str, timeout_s: float = 1.0) -> dict[str, float | None]:
        """Milliseconds to each named node, or to all; `None` for one that did not answer within `timeout_s`."""
        ask = NodePing(nodes=list(names), timeout_ms=round(timeout_s * 1000))
        return (await self._ask("nodes.ping", ask, NodePinged, timeout_s + ANSWER_S)).ms

    async def stats(self) -> NodeStats:
        """The fleet in figures."""
        return await self._ask("nodes.stats", NodeStatsAsk(), NodeStats)

    async def masters(self) -> list[MasterInfo]:
        """The masters, the longest there first: who they are, which live, and how much each drives."""
        return (await self._ask("masters.list", MasterList(), MasterListed)).masters

    async def job(self, id: str) -> Job:  # noqa: A002
        """One job as it stands."""
        return await self._ask("jobs.get", JobGet(id=id), Job)

    async def jobs(
        self,
        limit: int = 50,
        *,
        state: JobState | None = None,
        action: str | None = None,
        caller: str | None = None,
        since: float | None = None,
    ) -> list[Job]:
        """The latest jobs, newest first; of those in `state`, of `action`, of `caller`, begun `since` Unix seconds."""
        ask = JobList(limit=limit, state=state, action=action, caller=caller, since=since)
        return (await self._ask("jobs.list", ask, JobListed)).jobs


def _unwelcome(url: str, key: ApiKey | None) -> str:
    if key is None:
        return (
            f"{url} asks who you are, and there is no API key for it here: give one with --key-file FILE or "
            f"${API_KEY}_FILE; `fleetfold keys create NAME` on the master's machine makes one"
        )
    return (
        f"{url} does not take the API key of {key.name} ({key.origin}): it is revoked, expired or another fleet's; "
        "`fleetfold keys create NAME` on the master's machine makes another"
    )
