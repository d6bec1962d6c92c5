"""The `fleetfold` command run in this process, against a fleet that is made up."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any, Self

import msgspec
import structlog

from fleetfold.calls.answering import Asking
from fleetfold_cli.app import main
from fleetfold_cli.parsing.common_options import Common
from fleetfold_cli.terminal import Terminal
from fleetfold_shared.errors import NotFound
from fleetfold_shared.messages import (
    AccessStats,
    ActionInfo,
    Answered,
    AskPart,
    AuditEntry,
    CacheStats,
    CacheWarmed,
    CollectionInfo,
    Definition,
    DefinitionInfo,
    DefinitionRecord,
    DefinitionStored,
    Hit,
    Identity,
    Job,
    JobNode,
    KeyCreated,
    KeyInfo,
    KeyRevoked,
    NodeAuditEntry,
    NodeDescription,
    NodeInvited,
    NodeRecord,
    NodeReport,
    NodeRevoked,
    NodeUpdate,
    PopularQuery,
    Searched,
    SigningRotated,
    StepSpec,
    StepView,
    TimelineEntry,
    TransactionView,
)

__all__ = ["FakeFleet", "Result", "job", "logging_as_it_was", "node", "run_command", "searched", "transaction"]

RESERVE = ActionInfo(
    name="reserve_stock",
    summary="Set some aside.",
    kind="transactional",
    schema={
        "type": "object",
        "properties": {"sku": {"type": "string"}, "quantity": {"type": "integer", "default": 1}},
        "required": ["sku"],
    },
)


def node(name: str = "shop", **changes: Any) -> NodeRecord:
    description = NodeDescription(
        incarnation="i1",
        version="0.1.0",
        collections=[CollectionInfo("products", 1234)],
        actions=[RESERVE],
        labels={"zone": "eu"},
    )
    facts = {"state": "active", "healthy": True, "registered_at": 1.0, "last_seen_at": 2.0, "response_ms": 1.5}
    return NodeRecord(name=name, description=description, **(facts | changes))


def searched(*, partial: bool = False, title: str = "A tent", content: str = "It is light.") -> Searched:
    hit = Hit("shop", "products", "TNT-204", 1.2345, {"bm25": 1.5, "cosine": 0.6}, title, content, {"price": 9})
    reports = [NodeReport("shop", "ok", 1, 12.0)]
    if partial:
        reports.append(NodeReport("blog", "timeout", error="no answer within 2 s"))
    return Searched(query="tent", hits=[hit], nodes=reports, total=1, took_ms=13.5, partial=partial)


def job(state: Any = "ok", *, outcome: Any = "ok", **changes: Any) -> Job:
    nodes = [JobNode("shop", outcome, {"left": 3}, None if outcome == "ok" else "too few", 4.2)]
    facts = {"id": "j1", "action": "reserve_stock", "params": {}, "nodes": nodes, "caller": "cli", "created_at": 1.0}
    return Job(state=state, **(facts | changes))


def transaction(state: Any = "committed") -> TransactionView:
    return TransactionView(
        id="t1",
        name="order",
        state=state,
        steps=[StepView("reserve", "shop", "reserve_stock", 0, "done", 1, {"left": 3})],
        timeline=[TimelineEntry(100.25, "accepted", None, "asked for by cli")],
        caller="cli",
        created_at=100.0,
        error="payment: declined" if state == "rolled_back" else None,
    )


@dataclass
class FakeFleet:
    """What a `Client` is to the commands: it notes what it was asked, and answers what it was given."""

    records: list[NodeRecord] = field(default_factory=lambda: [node()])
    answer: Any = None
    record: Any = None
    error: BaseException | None = None
    asked: list[tuple[str, Any]] = field(default_factory=list)
    changes: Sequence[Job | BaseException | Callable[[], Awaitable[None]]] = ()
    """What is told to who follows a job, and what happens in between."""
    connected: tuple[str | None, str] | None = None
    shown: tuple[Path | None, Path | None] = (None, None)
    closed: bool = False

    async def connect(self, common: Common, prefix: str) -> Self:
        self.connected, self.shown = (common.url, prefix), (common.key_file, common.ca)
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.closed = True

    async def nodes(self, *, removed: bool = False, where: str | None = None) -> list[NodeRecord]:
        return self._said("nodes", (removed, where), self.records)

    async def node(self, name: str) -> NodeRecord:
        for record in self.records:
            if record.name == name:
                return self._said("node", name, record)
        raise NotFound(f"node: there is no {name!r}", field="node")

    async def update_node(self, change: NodeUpdate) -> NodeRecord:
        return self._said("update", change, self.records[0])

    async def remove_node(self, name: str) -> None:
        self._said("remove", name, None)

    async def ping(self, *names: str, timeout_s: float) -> dict[str, float | None]:
        return self._said("ping", (names, timeout_s), self.answer)

    async def cache_stats(self) -> CacheStats:
        return self._said("cache_stats", None, self.answer)

    async def popular_queries(self, limit: int) -> list[PopularQuery]:
        return self._said("popular", limit, self.answer)

    async def warm_cache(self, limit: int) -> CacheWarmed:
        return self._said("warm", limit, self.answer)

    async def clear_cache(self) -> int:
        return self._said("clear", None, self.answer)

    async def search(self, query: str, **options: Any) -> Searched:
        return self._said("search", {"query": query, **options}, self.answer)

    def ask(self, question: str, **options: Any) -> Asking:
        async def parts() -> AsyncGenerator[AskPart | Answered, None]:
            for part in self._said("ask", {"question": question, **options}, self.answer):
                yield part

        return Asking(parts())

    async def run(self, action: str, params: Any, **options: Any) -> Job:
        return self._said("run", {"action": action, "params": params, **options}, self.answer)

    async def jobs(self, limit: int, **filters: Any) -> list[Job]:
        return self._said("jobs", {"limit": limit} | filters, self.answer)

    async def follow_job(self, job_id: str) -> AsyncGenerator[Job, None]:
        self._said("follow", job_id, None)
        for change in self.changes:
            if isinstance(change, BaseException):
                raise change
            if isinstance(change, Job):
                yield change
            else:
                await change()

    async def cancel_job(self, job_id: str) -> Job:
        return self._said("cancel_job", job_id, self.answer)

    async def transactions(self, limit: int, state: str | None) -> list[TransactionView]:
        return self._said("transactions", (limit, state), self.answer)

    async def transact(self, steps: Sequence[StepSpec], **options: Any) -> TransactionView:
        return self._said("transact", {"steps": steps, **options}, self.answer)

    async def check_transaction(self, steps: Sequence[StepSpec], **options: Any) -> TransactionView:
        return self._said("check", {"steps": steps, **options}, self.answer)

    async def cancel_transaction(self, tx_id: str, *, why: str = "") -> TransactionView:
        return self._said("cancel", (tx_id, why), self.answer)

    async def retry_transaction(self, tx_id: str, step: str | None, *, why: str = "") -> TransactionView:
        return self._said("retry", (tx_id, step, why), self.answer)

    async def follow_transaction(
        self, tx_id: str, *, timeout_s: float | None = None
    ) -> AsyncGenerator[TimelineEntry | TransactionView, None]:
        ended = self._said("follow", (tx_id, timeout_s), self.answer)
        for entry in ended.timeline:
            yield entry
        yield ended

    async def put_definition(self, definition: Definition, **options: Any) -> DefinitionStored:
        return self._said("put_definition", {"definition": definition, **options}, self.answer)

    async def definitions(self) -> list[DefinitionInfo]:
        return self._said("definitions", None, self.answer)

    async def definition(self, name: str, version: int | None = None) -> DefinitionRecord:
        return self._said("definition", (name, version), self.record)

    async def remove_definition(self, name: str) -> int:
        return self._said("remove_definition", name, self.answer)

    async def skip_step(self, tx_id: str, step: str, why: str) -> TransactionView:
        return self._said("skip", (tx_id, step, why), self.answer)

    async def resolve_transaction(self, tx_id: str, state: str, why: str) -> TransactionView:
        return self._said("resolve", (tx_id, state, why), self.answer)

    async def wait_transaction(self, tx_id: str, timeout_s: float) -> TransactionView:
        return self._said("wait", (tx_id, timeout_s), self.answer)

    async def whoami(self) -> Identity:
        return self._said("whoami", None, self.answer)

    async def access_stats(self) -> AccessStats:
        return self._said("access_stats", None, self.answer)

    async def invite(self, name: str, **options: Any) -> NodeInvited:
        return self._said("invite", {"name": name, **options}, self.answer)

    async def approve_node(self, name: str, **options: Any) -> NodeRecord:
        return self._said("approve", {"name": name, **options}, self.records[0])

    async def revoke_node(self, name: str) -> NodeRevoked:
        return self._said("revoke", name, self.answer)

    async def create_key(self, name: str, **options: Any) -> KeyCreated:
        return self._said("create_key", {"name": name, **options}, self.answer)

    async def keys(self, *, revoked: bool = False) -> list[KeyInfo]:
        return self._said("keys", revoked, self.answer)

    async def rotate_key(self, key: str, **options: Any) -> KeyCreated:
        return self._said("rotate_key", {"key": key, **options}, self.answer)

    async def rotate_signing(self, **options: Any) -> SigningRotated:
        return self._said("rotate_signing", options, self.answer)

    async def revoke_key(self, key: str) -> KeyRevoked:
        return self._said("revoke_key", key, self.answer)

    async def audit(self, **options: Any) -> list[AuditEntry]:
        return self._said("audit", options, self.answer)

    async def node_audit(self, name: str, **options: Any) -> list[NodeAuditEntry]:
        return self._said("node_audit", {"name": name, **options}, self.answer)

    async def follow_audit(self, **options: Any) -> AsyncIterator[AuditEntry]:
        for entry in self._said("follow_audit", options, self.answer):
            yield entry

    def _said(self, verb: str, what: Any, answer: Any) -> Any:
        self.asked.append((verb, what))
        if self.error is not None:
            raise self.error
        return answer


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on stdout."""
        return msgspec.json.decode(self.out)


def run_command(*tokens: str, fleet: FakeFleet | None = None, stdin: str = "") -> Result:
    """`fleetfold *tokens`. Not within a running loop: the command brings its own."""
    out, err = StringIO(), StringIO()
    terminal = Terminal(out, err, StringIO(stdin), (fleet or FakeFleet()).connect)  # type: ignore[arg-type]
    with logging_as_it_was():
        code = main(tokens, terminal)
    return Result(code, out.getvalue(), err.getvalue())


@contextmanager
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, configured, before = (
        [*root.handlers],
        root.level,
        structlog.is_configured(),
        structlog.get_config(),
    )
    root.handlers.clear()  # the command closes those it replaces
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        if configured:
            structlog.configure(**before)
        else:
            structlog.reset_defaults()
