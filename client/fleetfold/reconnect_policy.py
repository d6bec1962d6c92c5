"""The reconnect policy: repeating requests to a master that may be away for a while."""

from __future__ import annotations

import asyncio
import random
from typing import Protocol, TypeVar

from fleetfold_shared.errors import DeadlineExceeded, Overloaded, RateLimited, Unavailable
from fleetfold_shared.messages import Message

__all__ = ["AWAY", "Ask", "ReconnectPolicy", "now", "pause_s"]

PAUSE_S, PAUSE_MAX_S = 0.2, 10.0
AWAY = (Unavailable, DeadlineExceeded, RateLimited, Overloaded)
"""Temporary errors."""

T = TypeVar("T", bound=Message)


class Ask(Protocol):
    """Sends a request to a master, as a `Caller` does."""

    async def __call__(self, verb: str, ask: Message, kind: type[T], timeout_s: float = ..., /) -> T: ...


class ReconnectPolicy:
    """Repeats requests until they are answered. A master that has answered once is waited for, `patience_s` from its
    last answer; one that never has is not."""

    def __init__(self, ask: Ask, patience_s: float) -> None:
        self._ask, self._patience_s = ask, patience_s
        self._answered_at: float | None = None

    async def __call__(self, verb: str, ask: Message, kind: type[T], timeout_s: float) -> T:
        began, tries = now(), 0
        while True:
            try:
                answer = await self._ask(verb, ask, kind, timeout_s)
            except AWAY as error:
                if self._answered_at is None and isinstance(error, Unavailable):
                    raise
                if now() - max(began, self._answered_at or 0.0) > self._patience_s:
                    raise
                tries += 1
                pause = max(getattr(error, "retry_after_s", None) or 0.0, pause_s(tries))
            else:
                self._answered_at = now()
                return answer
            await asyncio.sleep(pause)


def now() -> float:
    """The loop's clock."""
    return asyncio.get_running_loop().time()


def pause_s(tries: int) -> float:
    """Seconds to wait after so many failures: doubling, at most 10, half of it random."""
    longest = min(PAUSE_MAX_S, PAUSE_S * 2.0 ** min(tries, 10))
    return random.uniform(longest / 2, longest)  # noqa: S311 (jitter, not a secret)
