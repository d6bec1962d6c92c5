"""When a command that has failed is tried again on its node, and after how long."""

from __future__ import annotations

from collections.abc import Callable, Collection

from fleetfold_child.commands.actions import AnyAction
from fleetfold_shared.errors import FleetfoldError
from fleetfold_shared.messages import Command, RetryPolicy

__all__ = ["TIMEOUT", "Random", "names_of", "pause_s", "policy_of"]

TIMEOUT = frozenset({"timeout"})
"""What a policy calls a try that took too long."""

Random = Callable[[], float]
"""Numbers from 0 to 1, such as `random.random`."""

_MOST_DOUBLINGS = 64


def policy_of(action: AnyAction, command: Command) -> RetryPolicy | None:
    """The call's policy, or else the action's; none for a compensation: its master tries it again."""
    if command.compensates is not None:
        return None
    return action.info.retry if command.retry is None else command.retry


def pause_s(policy: RetryPolicy, tried: int, names: Collection[str], random: Random) -> float | None:
    """How long to wait before the next try, in seconds, after `tried` of them; None when there is none.

    `names` are those of the error: none at all for what is never tried again.
    """
    if tried >= policy.attempts or not names or (policy.on and not set(policy.on) & set(names)):
        return None
    doubled = policy.backoff_s * 2.0 ** min(tried - 1, _MOST_DOUBLINGS)
    return min(doubled, policy.backoff_max_s) * (1 - policy.jitter * random())


def names_of(error: BaseException) -> frozenset[str]:
    """What a policy may call this error: its class, those it is derived from, and its code."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return frozenset(names | {error.code} if isinstance(error, FleetfoldError) else names)
