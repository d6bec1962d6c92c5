"""The node's side of seals: refuses what no master has sealed.

When the fleet's keys are replaced, the masters seal with new ones before their nodes know. So a node that meets a seal
it cannot check asks for its keys once more, now and then, and looks again. It asks over its own inbox, which only
masters can answer.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import structlog

from fleetfold_broker.identity.message_seals import Headers, is_sealed, is_sealed_for_all
from fleetfold_broker.subjects import Subjects
from fleetfold_shared.errors import FleetfoldError, Forbidden
from fleetfold_shared.messages import SealKeys

__all__ = ["NOT_SEALED", "SealCheck"]

log = structlog.get_logger(__name__)

NOT_SEALED = "no master of this fleet has sealed it"
"""Why a message is refused, as it stands in the error."""
ASKED_EVERY_S = 10.0
ASKED_WITHIN_S = 3.0
LOGGED_EVERY_S = 60.0


class SealCheck:
    """Checks what one node hears. Until it is told keys it takes everything: where nobody has an identity there are
    none, and masters of an older release give none. `ask_again` asks a master for the keys, and calls `trust`.
    """

    def __init__(self, subjects: Subjects, ask_again: Callable[[], Awaitable[object]]) -> None:
        self._broadcasts, self._ask_again = subjects.ask(""), ask_again
        self._keys: SealKeys | None = None
        self._asking: asyncio.Task[None] | None = None
        self._asked_at = self._logged_at = float("-inf")
        self._refused = 0

    def trust(self, keys: SealKeys | None) -> None:
        """Check with these from now on; none replace none: a master of an older release takes nothing back."""
        self._keys = keys or self._keys

    async def check(self, subject: str, data: bytes, headers: Headers | None) -> None:
        """`Forbidden` unless a master has sealed it."""
        if self._is_good(subject, data, headers or {}):
            return
        await self._look_again()
        if not self._is_good(subject, data, headers or {}):
            self._tell(subject)
            raise Forbidden(f"{subject}: {NOT_SEALED}; only masters may ask a node")

    def _is_good(self, subject: str, data: bytes, headers: Headers) -> bool:
        if self._keys is None:
            return True
        check = is_sealed_for_all if subject.startswith(self._broadcasts) else is_sealed
        return check(self._keys, subject, data, headers)

    async def _look_again(self) -> None:
        """Ask for the keys, at most every ten seconds; whoever meets a bad seal meanwhile waits for the same answer."""
        now = asyncio.get_running_loop().time()
        if now - self._asked_at >= ASKED_EVERY_S:
            self._asked_at = now
            self._asking = asyncio.create_task(self._ask())
        if self._asking is not None:
            await asyncio.shield(self._asking)

    async def _ask(self) -> None:
        with contextlib.suppress(TimeoutError, FleetfoldError):  # then what no seal is known for is refused
            async with asyncio.timeout(ASKED_WITHIN_S):
                await self._ask_again()

    def _tell(self, subject: str) -> None:
        """One line a minute, however much is refused."""
        self._refused += 1
        now = asyncio.get_running_loop().time()
        if now - self._logged_at >= LOGGED_EVERY_S:
            log.warning("seal.refused", subject=subject, refused=self._refused)
            self._logged_at, self._refused = now, 0
