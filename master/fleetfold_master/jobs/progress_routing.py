"""What nodes say of how far their commands have come, on its way to whoever waits for them.

Every master hears it: what is of no command of its own, it leaves alone.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from fleetfold_broker.bus import Bus
from fleetfold_broker.connection.subscription import Incoming
from fleetfold_broker.limited_log import LimitedLog
from fleetfold_master.nodes import Inflow
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import ProgressReport, decode

__all__ = ["OnProgress", "hear_progress"]

log = structlog.get_logger(__name__)

OnProgress = Callable[[str, ProgressReport], bool]
"""Gets the node that the broker vouches for; whether the command is known."""


async def hear_progress(bus: Bus, inflow: Inflow, *takers: OnProgress) -> None:
    """Each report goes to the first of `takers` that knows its command, from now on; of too many, some are dropped."""

    quiet = LimitedLog(log)

    async def hear(message: Incoming) -> None:
        node = bus.subjects.token(message.subject, 1)
        if not inflow.progress(node, len(message.data)):
            return
        try:
            report = decode(message.data, ProgressReport)
        except InvalidInput as error:
            quiet.warning("progress.malformed", node, node=node, reason=error.message)
            return
        any(take(node, report) for take in takers)

    await bus.subscribe(bus.subjects.progress(), hear)
