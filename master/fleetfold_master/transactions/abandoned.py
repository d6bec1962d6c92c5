"""Which forward commands a decision has given up while they were under way: their nodes may stop them. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from fleetfold_master.transactions.model import Decision, Step

__all__ = ["GIVEN_UP", "Abandoned", "given_up"]

GIVEN_UP = "given up"
"""What the timeline says of a step that was under way when its transaction was cancelled, or had no time left."""


class Abandoned(NamedTuple):
    """A forward command that nobody waits for: its node, its id, and when it was first sent (Unix seconds)."""

    node: str
    command: str
    began_at: float


def given_up(before: Iterable[Step], decision: Decision) -> list[Abandoned]:
    """The commands that were in flight `before` a decision which turns back without waiting for them. How they end
    changes nothing of what follows: each is undone by its id. To stop them only saves time.
    """
    names = {entry.step for entry in decision.entries if entry.what == GIVEN_UP}
    return [
        Abandoned(step.node, step.command, step.began_at or 0.0)
        for step in before
        if step.name in names and step.state == "running" and step.command is not None
    ]
