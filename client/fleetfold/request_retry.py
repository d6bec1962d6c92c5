"""The reconnect policy: repeating requests to a master that may be away for a while."""

from __future__ import annotations

import asyncio
from typing import Protocol, TypeVar

from fleetfold_shared.backoff import HALF, Backoff
from fleetfold_shared.errors import DeadlineExceeded, Overloaded, RateLimited, Unavailable
from fleetfold_shared.messages import Message
from fleetfold_shared.verbs import Verb

__all__ = ["AWAY", "BACKOFF", "ReconnectPolicy", "SendRequest", "now"]

BACKOFF = Backoff(0.4, 10.0, jitter=HALF, asked="least")
"""Pauses before a request or a run is sent again."""
AWAY = (Unavailable, DeadlineExceeded, RateLimited, Overloaded)
"""Temporary errors."""

Takes = TypeVar("Takes", bound=Message)
Gives = TypeVar("Gives", bound=Message)


class SendRequest(Protocol):
    """Sends a request to a master, as a `Caller` does."""

    async def __call__(self, verb: Verb[Takes, Gives], ask: Takes, timeout_s: float = ..., /) -> Gives: ...


class ReconnectPolicy:
    """Repeats requests until they are answered. A master that has answered once is waited for, `patience_s` from its
    last answer; one that never has is not."""

    def __init__(self, ask: SendRequest, patience_s: float) -> None:
        self._ask, self._patience_s = ask, patience_s
        self._answered_at: float | None = None

    async def __call__(self, verb: Verb[Takes, Gives], ask: Takes, timeout_s: float) -> Gives:
        began, tries = now(), 0
        while True:
            try:
                answer = await self._ask(verb, ask, timeout_s)
            except AWAY as error:
                if self._answered_at is None and isinstance(error, Unavailable):
                    raise
                if now() - max(began, self._answered_at or 0.0) > self._patience_s:
                    raise
                tries += 1
                pause = BACKOFF.delay_s(tries, error.retry_after_s)
            else:
                self._answered_at = now()
                return answer
            await asyncio.sleep(pause)


def now() -> float:
    """The loop's clock."""
    return asyncio.get_running_loop().time()
