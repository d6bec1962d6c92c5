"""Audit subjects: what a request is about, as the audit log records it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from fleetfold_master.access.scoping import asked_nodes
from fleetfold_shared.messages import (
    Answered,
    AnswerQuestion,
    AuditOutcome,
    JobState,
    NodePing,
    NodePinged,
    Search,
    Searched,
    TransactionState,
)

__all__ = [
    "AuditSubject", "named", "of_job", "of_transaction", "touches_answer", "touches_node", "touches_pinged",
    "touches_search",
]  # fmt: skip

MOST_CHARS = 512
"""Length limit for names that were not looked up: they can be any text."""


class AuditSubject(NamedTuple):
    """One or more nodes, separated by commas, and the target: an action, a job, a transaction, a key.

    `outcome` and `reason` come from the answer where it has them.
    """

    node: str = ""
    target: str = ""
    outcome: AuditOutcome = "ok"
    reason: str = ""


class _OfNode(Protocol):
    @property
    def node(self) -> str: ...


def named(nodes: Iterable[str], *, whole: bool) -> str:
    """Join node names, each once. `whole` is False if the names are only what was requested, and may be any text."""
    text = ",".join(dict.fromkeys(nodes))
    return text if whole or len(text) <= MOST_CHARS else f"{text[: MOST_CHARS - 1]}…"


def touches_node(ask: _OfNode, answer: object | None) -> AuditSubject:
    """The one node that the message names."""
    return AuditSubject(named([ask.node], whole=answer is not None))


def touches_search(ask: Search, found: Searched | None) -> AuditSubject:
    """The nodes and collections searched, and the outcome. The query itself is not logged."""
    nodes = named(asked_nodes(ask), whole=False)
    if found is None:
        return AuditSubject(nodes, ",".join(ask.collections))
    said = f"{len(found.hits)} hits{' in part' if found.partial else ''}"
    return AuditSubject(nodes, " ".join(filter(None, [",".join(ask.collections), said])))


def touches_pinged(ask: NodePing, answer: NodePinged | None) -> AuditSubject:
    """The nodes that were named, and how many answered."""
    detail = (
        "" if answer is None else f"{sum(ms is not None for ms in answer.ms.values())} of {len(answer.ms)} answered"
    )
    return AuditSubject(named(ask.nodes, whole=answer is not None), detail)


def of_job(state: JobState) -> tuple[AuditOutcome, str]:
    """Outcome and reason of a request that started a job in this state."""
    if state == "running":
        return "accepted", ""
    return ("ok", "") if state == "ok" else ("failed", state)


def of_transaction(state: TransactionState) -> tuple[AuditOutcome, str]:
    """Outcome and reason of a request that started a transaction in this state."""
    if state in {"running", "compensating"}:
        return "accepted", ""
    return ("ok", "") if state == "committed" else ("failed", state)


def touches_answer(_ask: AnswerQuestion, answer: Answered | None) -> AuditSubject | None:
    """The nodes whose documents were disclosed; empty if none were. The question itself is not logged."""
    if answer is None or not (answer.model or answer.by):
        return None
    detail = f"model {answer.model}" if answer.model else f"node {answer.by}"
    return AuditSubject(named((source.node for source in answer.sources), whole=True), detail)
