"""What a request is about, in the words of the audit log."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from fleetfold_master.api.scoping import asked_nodes
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
"""Of names that nobody has looked up: they can be anything."""


class AuditSubject(NamedTuple):
    """A node, or several with commas between, and the thing itself: an action, a job, a transaction, a key.

    `outcome` and `reason` are those of what was asked, where the answer tells them.
    """

    node: str = ""
    target: str = ""
    outcome: AuditOutcome = "ok"
    reason: str = ""


class _OfNode(Protocol):
    @property
    def node(self) -> str: ...


def named(nodes: Iterable[str], *, whole: bool) -> str:
    """Each node once. Not `whole` when the names are only what was asked for."""
    text = ",".join(dict.fromkeys(nodes))
    return text if whole or len(text) <= MOST_CHARS else f"{text[: MOST_CHARS - 1]}…"


def touches_node(ask: _OfNode, answer: object | None) -> AuditSubject:
    """The one node that the message names."""
    return AuditSubject(named([ask.node], whole=answer is not None))


def touches_search(ask: Search, found: Searched | None) -> AuditSubject:
    """Which nodes and collections were searched, and what came of it. What was asked for is not for the log."""
    nodes = named(asked_nodes(ask), whole=False)
    if found is None:
        return AuditSubject(nodes, ",".join(ask.collections))
    said = f"{len(found.hits)} hits{' in part' if found.partial else ''}"
    return AuditSubject(nodes, " ".join(filter(None, [",".join(ask.collections), said])))


def touches_pinged(ask: NodePing, answer: NodePinged | None) -> AuditSubject:
    """The nodes that were named, and how many have answered."""
    told = "" if answer is None else f"{sum(ms is not None for ms in answer.ms.values())} of {len(answer.ms)} answered"
    return AuditSubject(named(ask.nodes, whole=answer is not None), told)


def of_job(state: JobState) -> tuple[AuditOutcome, str]:
    """Outcome and reason of a request that has begun a job in that state."""
    if state == "running":
        return "accepted", ""
    return ("ok", "") if state == "ok" else ("failed", state)


def of_transaction(state: TransactionState) -> tuple[AuditOutcome, str]:
    """The same of a transaction."""
    if state in {"running", "compensating"}:
        return "accepted", ""
    return ("ok", "") if state == "committed" else ("failed", state)


def touches_answer(_ask: AnswerQuestion, answer: Answered | None) -> AuditSubject | None:
    """Whose documents were given to whom: nothing when nobody was given any. What was asked is not for the log."""
    if answer is None or not (answer.model or answer.by):
        return None
    told = f"model {answer.model}" if answer.model else f"node {answer.by}"
    return AuditSubject(named((source.node for source in answer.sources), whole=True), told)
