"""Following a transaction: timeline entries as they are added, whichever master owns it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from fleetfold_master.jobs.database_polling import until_next_look
from fleetfold_master.transactions.active import Active
from fleetfold_shared.messages import TimelineEntry, TransactionNews, TransactionView

__all__ = ["Tell", "follow"]

LOOK_S = 0.5
"""Interval in seconds at which a transaction of another master is read."""
GATHER_S = 0.03
"""Seconds within which entries are joined into one message."""
MOST_AT_ONCE = 50
_GOING_ON = frozenset({"running", "compensating"})

Get = Callable[[], Awaitable[TransactionView]]
Tell = Callable[[TransactionNews], Awaitable[None]]


async def follow(
    get: Get, find: Callable[[], Active | None], after: int, wait_s: float, tell: Tell, closing: Callable[[], bool]
) -> TransactionView:
    """Pass entries behind the first `after` to `tell`, then each that comes, until the end, for `wait_s`, or until
    this master is `closing`. Returns the state at that time. `find` returns the transaction if this master owns it."""
    loop = asyncio.get_running_loop()
    until = loop.time() + wait_s
    while True:
        active = find()
        changed = active.watch() if active is not None else None  # first, so that no later change is missed
        view = await get()
        for part in _parts(view.timeline[after:]):
            after += len(part)
            await tell(TransactionNews(entries=part, seq=after, state=view.state))
        left_s = until - loop.time()
        if view.state not in _GOING_ON or left_s <= 0 or closing():
            return view
        await _change(changed, left_s)


async def _change(changed: asyncio.Future[None] | None, left_s: float) -> None:
    if changed is None:
        await until_next_look(LOOK_S, left_s)
        return
    await asyncio.wait([changed], timeout=left_s)
    if changed.done():
        await asyncio.sleep(min(GATHER_S, left_s))


def _parts(entries: Sequence[TimelineEntry]) -> list[list[TimelineEntry]]:
    return [list(entries[start : start + MOST_AT_ONCE]) for start in range(0, len(entries), MOST_AT_ONCE)]
