"""Following a transaction: what is added to its timeline, as it comes, whoever drives it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from fleetfold_master.jobs.polling import until_next_look
from fleetfold_master.transactions.active import Active
from fleetfold_shared.messages import TimelineEntry, TransactionNews, TransactionView

__all__ = ["Tell", "follow"]

LOOK_S = 0.5
"""How often one is looked up that another master drives."""
GATHER_S = 0.03
"""What comes within that time is told together."""
MOST_AT_ONCE = 50
_GOING_ON = frozenset({"running", "compensating"})

Get = Callable[[], Awaitable[TransactionView]]
Tell = Callable[[TransactionNews], Awaitable[None]]


async def follow(
    get: Get, find: Callable[[], Active | None], after: int, wait_s: float, tell: Tell, closing: Callable[[], bool]
) -> TransactionView:
    """Tell what stands behind the first `after` entries, then all that comes, until its end or for `wait_s`, or until
    this master is `closing`; the transaction as it stands then. `find` is where this master drives it, if it does.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + wait_s
    while True:
        active = find()
        changed = active.watch() if active is not None else None  # first: what changes from here on is noticed
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
