"""Retry policy of commands on their node: whether and when a failed one is tried again."""

from __future__ import annotations

from collections.abc import Collection

from fleetfold_child.commands.actions import AnyAction
from fleetfold_shared.backoff import Backoff, Jitter, Random
from fleetfold_shared.errors import FleetfoldError
from fleetfold_shared.messages import Command, RetryPolicy

__all__ = ["TIMEOUT", "names_of", "pause_s", "policy_of"]

TIMEOUT = frozenset({"timeout"})
"""Name of a timed-out try in a policy."""


def policy_of(action: AnyAction, command: Command) -> RetryPolicy | None:
    """Return the call's policy, or else the action's; `None` for a compensation, which its master retries."""
    if command.compensates is not None:
        return None
    return action.info.retry if command.retry is None else command.retry


def pause_s(policy: RetryPolicy, tried: int, names: Collection[str], random: Random) -> float | None:
    """Return the seconds before the next try, after `tried` of them; `None` when there is none.

    `names` are those of the error; empty for an error that is never retried. The delay doubles from `backoff_s` up to
    `backoff_max_s`, less a random share of at most `jitter`.
    """
    if tried >= policy.attempts or not names or (policy.on and not set(policy.on) & set(names)):
        return None
    backoff = Backoff(policy.backoff_s, policy.backoff_max_s, jitter=Jitter.below(policy.jitter))
    return backoff.delay_s(tried, random=random)


def names_of(error: BaseException) -> frozenset[str]:
    """Return the names of an error in a policy: its class, base classes and code."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return frozenset(names | {error.code} if isinstance(error, FleetfoldError) else names)
