"""The request to run an action: its targets, its rollout and its limits, as values that programs pass to `run`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from fleetfold.name_lists import Names, listed
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.ids import new_id
from fleetfold_shared.messages import Callback, RetryPolicy, Run
from fleetfold_shared.number_or_percent import share_of

__all__ = ["Rollout", "RunOptions", "Targets", "duration_s", "run_request"]


class Targets(msgspec.Struct, frozen=True, kw_only=True):
    """The nodes that an action runs on, where a name or a list of names does not say it.

    `nodes` are names; `all` takes every active node; `where` those for which an expression holds, such as
    `role=shop and region!=eu`. Of these, `any` takes the least loaded one, and `limit` so many (`3`, `"10%"`): another
    `seed`, another choice. `confirmed` permits a destructive action on several nodes that are not named.
    """

    nodes: Names = ()
    all: bool = False
    where: str | None = None
    any: bool = False
    limit: str | int | None = None
    seed: int | None = None
    confirmed: bool = False


class Rollout(msgspec.Struct, frozen=True, kw_only=True):
    """The order in which nodes run an action; without it they all run it at the same time.

    `sequential` takes one node after another; `batch` so many at a time (`5`, `"25%"`), with `pause_s` seconds between
    the end of a batch and the next. No batch starts after more than `max_failures` (`0`, `"10%"`) nodes have failed.
    """

    sequential: bool = False
    batch: str | int | None = None
    pause_s: float = 0.0
    max_failures: str | int | None = None


class RunOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of a run, in seconds, its retries, and the callback at its end.

    A command that has not begun after `start_within_s` never will. `heartbeat_s` is the longest silence between two
    reports of progress. `overall_s` bounds all attempts on a node; without it, `timeout_s` does.
    """

    start_within_s: float | None = None
    heartbeat_s: float | None = None
    overall_s: float | None = None
    retry: RetryPolicy | None = None
    callback: Callback | None = None


def run_request(
    action: str,
    params: Mapping[str, Any] | None,
    *,
    nodes: Names | Targets,
    timeout_s: float,
    id: str | None = None,
    rollout: Rollout | None = None,
    options: RunOptions | None = None,
) -> Run:
    """Build the message. Raises `InvalidInput` for nodes that are not names."""
    targets = nodes if isinstance(nodes, Targets) else Targets(nodes=nodes)
    order, limits = rollout or Rollout(), options or RunOptions()
    return Run(
        id=id or new_id(), action=action, params=dict(params or {}), timeout_s=timeout_s, nodes=_named(targets.nodes),
        all=targets.all, where=targets.where, any=targets.any, limit=_quantity(targets.limit), seed=targets.seed,
        confirmed=targets.confirmed, sequential=order.sequential, batch=_quantity(order.batch), pause_s=order.pause_s,
        max_failures=_quantity(order.max_failures), start_within_s=limits.start_within_s,
        heartbeat_s=limits.heartbeat_s, overall_s=limits.overall_s, retry=limits.retry, callback=limits.callback,
    )  # fmt: skip


def duration_s(run: Run, nodes: int) -> float:
    """Seconds that a job on so many nodes may take in all, if each uses all the time it has."""
    one = (run.start_within_s or 0.0) + (run.overall_s or run.timeout_s)
    at_once = 1 if run.sequential else nodes if run.batch is None else max(1, share_of(run.batch, nodes))
    batches = max(1, -(-nodes // max(1, at_once)))
    return batches * one + (batches - 1) * run.pause_s


def _named(nodes: Names) -> list[str] | Literal["all"]:
    """The nodes in the wire format: `all` is not a name there."""
    if nodes == "all":
        return "all"
    if nodes == "auto":
        raise InvalidInput("nodes: 'auto' is for searches; name the nodes, or say 'all' or any=True", field="nodes")
    return listed(nodes, "nodes")


def _quantity(share: str | int | None) -> str | None:
    return str(share) if isinstance(share, int) else share
