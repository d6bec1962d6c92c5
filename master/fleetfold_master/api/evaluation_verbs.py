"""Verbs of search evaluation, within the caller's scopes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fleetfold_master.access.authorizer import Principal
from fleetfold_master.api.audit_target import AuditSubject, named
from fleetfold_master.api.binding import Binding
from fleetfold_master.evaluation import Evaluation, Judgements, SearchStatistics
from fleetfold_master.evaluation.evaluation import ReportScope
from fleetfold_master.nodes import Registry
from fleetfold_shared import verbs
from fleetfold_shared.errors import NotFound
from fleetfold_shared.messages import (
    Judgement,
    QualityClick,
    QualityClicked,
    QualityForget,
    QualityForgotten,
    QualityJudge,
    QualityJudged,
    QualityReport,
    QualityReportRequest,
)

__all__ = ["EvaluationVerbs", "Holds"]

Holds = Callable[[str, str, list[str]], Awaitable[set[str] | None]]
"""Returns which of the documents a node's collection has; None if that is not known."""


class EvaluationVerbs:
    """The handlers of judgements, clicks and the report."""

    def __init__(
        self, book: Judgements, counts: SearchStatistics, measuring: Evaluation, registry: Registry, holds: Holds
    ) -> None:
        self._book, self._counts, self._measuring, self._registry = book, counts, measuring, registry
        self._holds = holds

    def bindings(self) -> tuple[Binding[Any, Any], ...]:
        """The verbs of this area, with their handlers. Clicks are not audited: they change no document."""
        return (
            Binding(verbs.quality.JUDGE, self._judge, _touches_judged),
            Binding(verbs.quality.CLICK, self._click),
            Binding(verbs.quality.REPORT, self._report),
            Binding(verbs.quality.FORGET, self._forget, _touches_forgotten),
        )

    async def _judge(self, ask: QualityJudge, who: Principal) -> QualityJudged:
        for number, one in enumerate(ask.judgements):
            self._check(one, who, f"judgements[{number}].")
        await self._check_there({f"judgements[{number}].": one for number, one in enumerate(ask.judgements)})
        return await self._book.judge(ask.judgements, who.name)

    async def _click(self, ask: QualityClick, who: Principal) -> QualityClicked:
        self._check(ask, who, "")
        await self._check_there({"": ask})
        return await self._book.click(ask, who.name)

    async def _forget(self, ask: QualityForget, who: Principal) -> QualityForgotten:
        who.need_whole_fleet(verbs.quality.FORGET)
        return await self._book.forget(ask.query)

    async def _report(self, ask: QualityReportRequest, who: Principal) -> QualityReport:
        for name in ask.nodes:
            who.need_node(name, "nodes")
            self._need(name, "nodes")
        for name in ask.collections:
            who.need_collection(name)
        await self._counts.save()
        return await self._measuring.report(self._asked(ask, who))

    def _asked(self, ask: QualityReportRequest, who: Principal) -> ReportScope:
        """The requested nodes and collections that the caller may see."""
        seen: dict[str, list[str]] = {}
        for node in self._registry.all():
            there = [one.name for one in node.description.collections if who.may_collection(one.name)]
            wanted = [name for name in there if not ask.collections or name in ask.collections]
            asked = node.name in ask.nodes if ask.nodes else who.may_node(node.name)
            if wanted and asked and node.state == "active":
                seen[node.name] = wanted
        narrow = bool(ask.collections or who.scopes.collections)
        return ReportScope(
            seen, sorted({name for names in seen.values() for name in names}) if narrow else [], ask.limit, ask.days,
            ask.timeout_ms / 1000, whole=not (narrow or ask.nodes or who.scopes.nodes),
        )  # fmt: skip

    def _check(self, one: Judgement | QualityClick, who: Principal, where: str) -> None:
        """Raise `Forbidden` or `NotFound`, naming the field, unless the collection exists and the caller may see it."""
        who.need_node(one.node, f"{where}node")
        who.need_collection(one.collection, f"{where}collection")
        self._need(one.node, f"{where}node")
        there = self._registry.collections(one.node)
        if one.collection not in there:
            field, known = f"{where}collection", ", ".join(filter(who.may_collection, there)) or "none"
            raise NotFound(f"{field}: {one.node!r} has no {one.collection!r}; it has: {known}", field=field)

    async def _check_there(self, said: Mapping[str, Judgement | QualityClick]) -> None:
        """Raise `NotFound` for the first document that does not exist. Documents of unreachable nodes are not looked
        up."""
        wanted: dict[tuple[str, str], list[str]] = {}
        for one in said.values():
            if self._registry.healthy(one.node):
                wanted.setdefault((one.node, one.collection), []).append(one.id)
        answers = await asyncio.gather(*(self._holds(*key, list(dict.fromkeys(ids))) for key, ids in wanted.items()))
        held = dict(zip(wanted, answers, strict=True))
        for where, one in said.items():
            there = held.get((one.node, one.collection))
            if there is not None and one.id not in there:
                raise NotFound(
                    f"{where}id: {one.node}/{one.collection} has no document {one.id[:80]!r}; search for it first",
                    field=f"{where}id",
                )

    def _need(self, name: str, field: str) -> None:
        node = self._registry.find(name)
        if node is None or node.state == "removed":
            raise NotFound(f"{field}: there is no {name!r} in the fleet", field=field)


def _touches_judged(ask: QualityJudge, answer: QualityJudged | None) -> AuditSubject:
    return AuditSubject(named((one.node for one in ask.judgements), whole=answer is not None))


def _touches_forgotten(_ask: QualityForget, _answer: QualityForgotten | None) -> AuditSubject:
    """The subject of a deletion. The query is not logged: it was to be forgotten."""
    return AuditSubject()
