"""`Client`: for any program that wants to search the fleet or publish commands on its bus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from fleetfold.access import AccessCalls
from fleetfold.asking import AskCalls
from fleetfold.cachecalls import CacheCalls
from fleetfold.caller import ANSWER_S, wait_ms
from fleetfold.credentials import API_KEY, ApiKey, find_api_key
from fleetfold.defining import DefinitionCalls
from fleetfold.quality import QualityCalls
from fleetfold.searching import SearchCalls
from fleetfold.state import find_url
from fleetfold.tls import find_tls
from fleetfold.transacting import TransactionCalls
from fleetfold_broker.bus import Bus
from fleetfold_broker.subjects import Subjects
from fleetfold_shared.config import TlsConfig
from fleetfold_shared.errors import Unauthenticated
from fleetfold_shared.ids import check_slug, new_id
from fleetfold_shared.messages import (
    Job,
    JobGet,
    JobList,
    JobListed,
    JobWait,
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
)  # fmt: skip
from fleetfold_shared.urls import shown

__all__ = ["Client"]


class Client(SearchCalls, AskCalls, TransactionCalls, DefinitionCalls, QualityCalls, CacheCalls, AccessCalls):
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
            raise Unauthenticated(_unwelcome(shown(url), shown_key)) from None

    async def nodes(self, *, removed: bool = False) -> list[NodeRecord]:
        """The nodes by name; with `removed` also those that were taken out."""
        return (await self._ask("nodes.list", NodeList(all=removed), NodeListed)).nodes

    async def node(self, name: str) -> NodeRecord:
        """One node."""
        return await self._ask("nodes.get", NodeGet(node=name), NodeRecord)

    async def update_node(self, change: NodeUpdate) -> NodeRecord:
        """Set a node's state, title, labels or weight."""
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

    async def run(
        self,
        action: str,
        params: Mapping[str, Any] | None = None,
        *,
        nodes: Sequence[str] = (),
        all: bool = False,  # noqa: A002 (as in `--all`)
        sequential: bool = False,
        timeout_s: float = 60.0,
        wait: bool = True,
        id: str | None = None,  # noqa: A002
    ) -> Job:
        """Run `action` on `nodes` or on all of them; the job when it has ended, or with `wait=False` as it started.

        The same `id` is the same job, so a call may be repeated. It is a durable command: a master that dies
        meanwhile is waited for.
        """
        job_id = id or new_id()
        ask = Run(
            id=job_id, action=action, params=dict(params or {}), nodes=list(nodes), all=all, sequential=sequential,
            timeout_s=timeout_s, wait_ms=wait_ms(timeout_s) if wait else 0,
        )  # fmt: skip
        job = await self._start("actions.run", ask, Job, timeout_s)
        return await self.wait_job(job_id, timeout_s + ANSWER_S) if wait and job.state == "running" else job

    async def job(self, id: str) -> Job:  # noqa: A002
        """One job as it stands."""
        return await self._ask("jobs.get", JobGet(id=id), Job)

    async def jobs(self, limit: int = 50) -> list[Job]:
        """The latest jobs, newest first."""
        return (await self._ask("jobs.list", JobList(limit=limit), JobListed)).jobs

    async def wait_job(self, id: str, timeout_s: float) -> Job:  # noqa: A002
        """The job when it has ended; `DeadlineExceeded` after `timeout_s`. Survives a master's restart."""
        ask = JobWait(id=id, wait_ms=wait_ms(timeout_s))
        return await self._until_ended("jobs.wait", ask, Job, {"running"}, timeout_s)


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
