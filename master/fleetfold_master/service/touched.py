"""What a request is about, in the words of the audit log."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from fleetfold_shared.messages import Answered, Ask

__all__ = ["Touched", "named", "touches_answer", "touches_node"]

MOST_CHARS = 512
"""Of names that nobody has looked up: they can be anything."""


class Touched(NamedTuple):
    """A node, or several with commas between, and the thing itself: an action, a job, a transaction, a key."""

    node: str = ""
    target: str = ""


class _OfNode(Protocol):
    @property
    def node(self) -> str: ...


def named(nodes: Iterable[str], *, whole: bool) -> str:
    """Each node once. Not `whole` when the names are only what was asked for."""
    text = ",".join(dict.fromkeys(nodes))
    return text if whole or len(text) <= MOST_CHARS else f"{text[: MOST_CHARS - 1]}…"


def touches_node(ask: _OfNode, answer: object | None) -> Touched:
    """The one node that the message names."""
    return Touched(named([ask.node], whole=answer is not None))


def touches_answer(_ask: Ask, answer: Answered | None) -> Touched | None:
    """Whose documents were given to whom: nothing when nobody was given any. What was asked is not for the log."""
    if answer is None or not (answer.model or answer.by):
        return None
    told = f"model {answer.model}" if answer.model else f"node {answer.by}"
    return Touched(named((source.node for source in answer.sources), whole=True), told)
