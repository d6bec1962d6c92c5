"""Verification of message seals on a node: refuses what no master has sealed.

When the fleet's keys are replaced, masters use the new ones before their nodes have them. So a node that cannot verify
a seal requests its keys again, at most every `ASKED_EVERY_S`, and verifies once more. The reply comes to its own inbox,
which only masters can publish to.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import structlog

from fleetfold_broker.identity.message_seals import Headers, is_sealed, is_sealed_for_all
from fleetfold_broker.limited_log import LimitedLog
from fleetfold_broker.rpc.pipeline import Call, Handler
from fleetfold_broker.subjects import Subjects
from fleetfold_shared.errors import FleetfoldError, Forbidden
from fleetfold_shared.messages import Message, SealKeys

__all__ = ["NOT_SEALED", "SealCheck"]

log = structlog.get_logger(__name__)

NOT_SEALED = "no master of this fleet has sealed it"
"""Reason of the refusal, as it stands in the error."""
ASKED_EVERY_S = 10.0
ASKED_WITHIN_S = 3.0


class SealCheck:
    """Interceptor that verifies the calls and commands of one node.

    Without keys it accepts everything: a fleet without identities has none, and masters of an older release send none.
    `ask_again` requests the keys from a master, and calls `trust`. `later` is that of `LimitedLog`.
    """

    def __init__(
        self, subjects: Subjects, ask_again: Callable[[], Awaitable[object]], later: Callable[..., object] | None = None
    ) -> None:
        self._broadcasts, self._ask_again = subjects.ask(""), ask_again
        self._keys: SealKeys | None = None
        self._refreshing: asyncio.Task[None] | None = None
        self._asked_at = float("-inf")
        self._quiet = LimitedLog(log, later)

    def trust(self, keys: SealKeys | None) -> None:
        """Verify with `keys` from now on. `None` changes nothing: masters of an older release send none."""
        self._keys = keys or self._keys

    def __call__(self, call: Call, proceed: Handler) -> Awaitable[Message | None]:
        """Pass a call on if it is sealed."""
        if self._is_valid(call.subject, call.body, call.headers):
            return proceed(call)
        return self._check_again(call, proceed)

    async def check(self, subject: str, data: bytes, headers: Headers | None) -> None:
        """Raise `Forbidden` unless a master has sealed the message."""
        if self._is_valid(subject, data, headers or {}):
            return
        await self._refresh_keys()
        if not self._is_valid(subject, data, headers or {}):
            self._quiet.warning("seal.refused", "", subject=subject)
            raise Forbidden(f"{subject}: {NOT_SEALED}; only masters may ask a node")

    async def _check_again(self, call: Call, proceed: Handler) -> Message | None:
        await self.check(call.subject, call.body, call.headers)
        return await proceed(call)

    def _is_valid(self, subject: str, data: bytes, headers: Headers) -> bool:
        if self._keys is None:
            return True
        check = is_sealed_for_all if subject.startswith(self._broadcasts) else is_sealed
        return check(self._keys, subject, data, headers)

    async def _refresh_keys(self) -> None:
        """Request the keys, at most every ten seconds; concurrent callers wait for the same reply."""
        now = asyncio.get_running_loop().time()
        if now - self._asked_at >= ASKED_EVERY_S:
            self._asked_at = now
            self._refreshing = asyncio.create_task(self._request_keys())
        if self._refreshing is not None:
            await asyncio.shield(self._refreshing)

    async def _request_keys(self) -> None:
        with contextlib.suppress(TimeoutError, FleetfoldError):  # without new keys the message is refused
            async with asyncio.timeout(ASKED_WITHIN_S):
                await self._ask_again()
