"""What a request is about, in the words of the audit log."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol

__all__ = ["Touched", "named", "touches_node"]

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
