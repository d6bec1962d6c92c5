"""The `fleetfold` command run in this process, against a fleet that is made up."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import msgspec
import structlog
from msgspec.structs import asdict

from fleetfold.answer_stream import AnswerStream
from fleetfold.name_lists import Auto
from fleetfold_cli.app import main
from fleetfold_cli.command_context import Terminal
from fleetfold_cli.parsing.common_options import CommonOptions
from fleetfold_shared.errors import NotFound
from fleetfold_shared.messages import (
    ActionInfo,
    Answered,
    AnswerPart,
    AuditEntry,
    CollectionInfo,
    DefinitionRecord,
    Hit,
    Job,
    JobNode,
    KeyInfo,
    NodeDescription,
    NodeRecord,
    NodeReport,
    Run,
    Searched,
    StepView,
    TimelineEntry,
    Transact,
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

    async def connect(self, common: CommonOptions, prefix: str) -> Self:
        self.connected, self.shown = (common.url, prefix), (common.key_file, common.ca)
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.closed = True

    @property
    def nodes(self) -> Any:
        return SimpleNamespace(
            list=self._list_nodes, get=self._get_node, update=self._answering("update", self.records[:1]),
            remove=self._answering("remove", [None]), ping=self._ping, stats=self._answering("stats"),
            invite=self._given("invite", "name"), approve=self._given("approve", "name", self.records[:1]),
            revoke=self._answering("revoke"), audit=self._given("node_audit", "name"),
        )  # fmt: skip

    async def _list_nodes(self, *, removed: bool = False, where: str | None = None) -> list[NodeRecord]:
        return self._said("nodes", (removed, where), self.records)

    async def _get_node(self, name: str) -> NodeRecord:
        for record in self.records:
            if record.name == name:
                return self._said("node", name, record)
        raise NotFound(f"node: there is no {name!r}", field="node")

    async def _ping(self, *names: str, timeout_s: float) -> dict[str, float | None]:
        return self._said("ping", (names, timeout_s), self.answer)

    @property
    def cache(self) -> Any:
        return SimpleNamespace(
            stats=self._answering("cache_stats"), popular=self._answering("popular"), warm=self._answering("warm"),
            clear=self._answering("clear"),
        )  # fmt: skip

    async def search(self, query: str, **given: Any) -> Searched:
        return self._said("search", {"query": query, **flat(given)}, self.answer)

    def ask(self, question: str, **given: Any) -> AnswerStream:
        async def parts() -> AsyncGenerator[AnswerPart | Answered, None]:
            for part in self._said("ask", {"question": question, **flat(given)}, self.answer):
                yield part

        return AnswerStream(parts())

    @property
    def jobs(self) -> Any:
        return SimpleNamespace(
            run=partial(self.run, wait=True), start=partial(self.run, wait=False), list=self._given("jobs", "limit"),
            follow=self._follow_job, get=self._answering("job"), cancel=self._answering("cancel_job"),
        )  # fmt: skip

    async def run(self, run: Run, *, wait: bool) -> Job:
        return self._said("run", {**asdict(run), "wait": wait}, self.answer)

    async def _follow_job(self, job_id: str) -> AsyncGenerator[Job, None]:
        self._said("follow", job_id, None)
        for change in self.changes:
            if isinstance(change, BaseException):
                raise change
            if isinstance(change, Job):
                yield change
            else:
                await change()

    @property
    def transactions(self) -> Any:
        return SimpleNamespace(
            run=partial(self._transact, True), start=partial(self._transact, False), list=self._list_transactions,
            check=self._given("check", "steps"), cancel=self._cancel_transaction, retry=self._retry_transaction,
            follow=self._follow_transaction, skip=self._several("skip"), resolve=self._several("resolve"),
            wait=self._several("wait"), get=self._answering("transaction"),
        )  # fmt: skip

    async def _list_transactions(self, limit: int, state: str | None) -> list[TransactionView]:
        return self._said("transactions", (limit, state), self.answer)

    async def _transact(self, wait: bool, request: Transact, timeout_s: float) -> TransactionView:
        given = {**asdict(request), "steps": request.definition or request.steps, "wait": wait, "timeout_s": timeout_s}
        return self._said("transact", given | {"within_s": request.timeout_s}, self.answer)

    async def _cancel_transaction(self, tx_id: str, *, why: str = "") -> TransactionView:
        return self._said("cancel", (tx_id, why), self.answer)

    async def _retry_transaction(self, tx_id: str, step: str | None, *, why: str = "") -> TransactionView:
        return self._said("retry", (tx_id, step, why), self.answer)

    async def _follow_transaction(
        self, tx_id: str, *, timeout_s: float | None = None
    ) -> AsyncGenerator[TimelineEntry | TransactionView, None]:
        ended = self._said("follow", (tx_id, timeout_s), self.answer)
        for entry in ended.timeline:
            yield entry
        yield ended

    @property
    def definitions(self) -> Any:
        return SimpleNamespace(
            put=self._given("put_definition", "definition"), list=self._answering("definitions"), get=self._definition,
            remove=self._answering("remove_definition"),
        )  # fmt: skip

    async def _definition(self, name: str, version: int | None = None) -> DefinitionRecord:
        return self._said("definition", (name, version), self.record)

    @property
    def access(self) -> Any:
        return SimpleNamespace(whoami=self._answering("whoami"), stats=self._answering("access_stats"))

    @property
    def keys(self) -> Any:
        return SimpleNamespace(
            create=self._given("create_key", "name"), list=self._list_keys, rotate=self._given("rotate_key", "key"),
            rotate_signing=self._given("rotate_signing"), revoke=self._answering("revoke_key"),
        )  # fmt: skip

    async def _list_keys(self, *, revoked: bool = False) -> list[KeyInfo]:
        return self._said("keys", revoked, self.answer)

    @property
    def audit(self) -> Any:
        return SimpleNamespace(list=self._given("audit"), follow=self._follow_audit)

    async def _follow_audit(self, **options: Any) -> AsyncIterator[AuditEntry]:
        for entry in self._said("follow_audit", options, self.answer):
            yield entry

    def _answering(self, verb: str, answers: Sequence[Any] | None = None) -> Callable[..., Awaitable[Any]]:
        """A call of at most one argument."""

        async def call(what: Any = None) -> Any:
            return self._said(verb, what, self.answer if answers is None else answers[0])

        return call

    def _several(self, verb: str) -> Callable[..., Awaitable[Any]]:
        """A call of several arguments."""

        async def call(*what: Any) -> Any:
            return self._said(verb, what, self.answer)

        return call

    def _given(
        self, verb: str, name: str | None = None, answers: Sequence[Any] | None = None
    ) -> Callable[..., Awaitable[Any]]:
        """A call of options, and of one positional argument if it has a `name`."""

        async def call(*first: Any, **options: Any) -> Any:
            given = {**dict(zip([name] if name else [], first, strict=True)), **options}
            return self._said(verb, given, self.answer if answers is None else answers[0])

        return call

    def _said(self, verb: str, what: Any, answer: Any) -> Any:
        self.asked.append((verb, what))
        if self.error is not None:
            raise self.error
        return answer


def flat(given: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a call, the fields of its value objects among them."""
    options, nodes = given.pop("options", None), given["nodes"]
    chosen = {"nodes": "auto", "among": nodes.among} if isinstance(nodes, Auto) else {"nodes": nodes, "among": ()}
    return {**given, **(asdict(options) if options else {}), **chosen}


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
