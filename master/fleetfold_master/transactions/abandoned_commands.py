"""Forward commands that a decision has abandoned while in flight, so that their nodes may stop them. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from fleetfold_master.transactions.model import Decision, Step

__all__ = ["ABANDONED", "Abandoned", "abandoned_commands"]

ABANDONED = "given up"
"""Reason in the timeline for a step in flight when its transaction was cancelled, or ran out of time."""


class Abandoned(NamedTuple):
    """An abandoned forward command: its node, its id, and when it was first sent (Unix seconds)."""

    node: str
    command: str
    began_at: float


def abandoned_commands(before: Iterable[Step], decision: Decision) -> list[Abandoned]:
    """The commands in flight `before` a decision that starts compensation without waiting for them. Their outcome does
    not matter, because each is compensated by its id. Stopping them only saves time."""
    names = {entry.step for entry in decision.entries if entry.what == ABANDONED}
    return [
        Abandoned(step.node, step.command, step.began_at or 0.0)
        for step in before
        if step.name in names and step.state == "running" and step.command is not None
    ]
