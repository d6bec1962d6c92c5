"""Options of `@action` besides the parameters, checked at its declaration."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import get_args

import msgspec

from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import ActionKind, RetryPolicy

__all__ = ["ActionOptions"]


@dataclass(frozen=True, slots=True)
class ActionOptions:
    """Options of an action, by their names in `@action`. Times are in seconds."""

    kind: ActionKind = "idempotent"
    timeout: float = 30.0
    destructive: bool = False
    slots: int | None = None
    heartbeat: float | None = None
    retry: RetryPolicy | None = None
    cancel_grace: float = 5.0

    def check(self, name: str) -> None:
        """Raise `InvalidInput`, with the action's `name`, for an unusable option."""
        if self.kind not in get_args(ActionKind):
            raise InvalidInput(f"{name}: there is no kind {self.kind!r}; use {', '.join(get_args(ActionKind))}")
        if not 0 < self.timeout < math.inf:
            raise InvalidInput(f"{name}: timeout must be more than 0 seconds, not {self.timeout}")
        if self.heartbeat is not None and not 0 < self.heartbeat < math.inf:
            raise InvalidInput(f"{name}: heartbeat must be more than 0 seconds, not {self.heartbeat}; leave it out")
        if not 0 <= self.cancel_grace < math.inf:
            raise InvalidInput(f"{name}: cancel_grace must be 0 seconds or more, not {self.cancel_grace}")
        if self.slots is not None and not (type(self.slots) is int and self.slots >= 1):
            raise InvalidInput(f"{name}: slots must be a whole number of at least 1, not {self.slots!r}; leave it out")
        if type(self.destructive) is not bool:
            raise InvalidInput(f"{name}: destructive must be True or False, not {self.destructive!r}")
        self._check_retry(name)

    def _check_retry(self, name: str) -> None:
        if self.retry is None:
            return
        try:
            policy = msgspec.convert(msgspec.to_builtins(self.retry), RetryPolicy)
        except msgspec.ValidationError as error:
            raise InvalidInput(f"{name}: retry: {error}") from None
        if self.kind == "once" and policy.attempts > 1:
            raise InvalidInput(
                f"{name}: retry: a 'once' action is never tried again; make it idempotent, or leave retry out"
            )
