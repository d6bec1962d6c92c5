"""Options of the job engine: the writes that join its commits, its limits, its owner and its events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fleetfold_master.events import Publish, publish_to_nobody
from fleetfold_master.jobs.action_concurrency import ShareOf, all_of
from fleetfold_master.jobs.command_dispatch import AtEnd, DeadLettersFor, no_dead_letters, nothing_more
from fleetfold_master.nodes import Refuses, refuse_none

__all__ = ["JobOptions", "SlotsOf"]

SlotsOf = Callable[[str, Sequence[str]], int | None]
"""The most commands of an action that may be open at once, given nodes that have it; None for no limit."""


def _no_limit(_action: str, _nodes: Sequence[str]) -> int | None:
    """Default of `SlotsOf`: no limit."""
    return None


@dataclass(frozen=True, slots=True)
class JobOptions:
    """Options of `Jobs`.

    `at_end` is called with each `RunningJob` that ends, `at_late_end` with each `Job` whose end a late answer has
    changed, `dead_letters_for` with each task that ends; they return further writes of the same commit. `owner` is the
    master's id where there may be several, and `share_of` returns its share of an action's slots. `refuses` tells
    results of a node's replaced process.
    """

    at_end: AtEnd = nothing_more
    at_late_end: AtEnd = nothing_more
    dead_letters_for: DeadLettersFor = no_dead_letters
    slots_of: SlotsOf = _no_limit
    share_of: ShareOf = all_of
    owner: str | None = None
    publish: Publish = publish_to_nobody
    refuses: Refuses = refuse_none
