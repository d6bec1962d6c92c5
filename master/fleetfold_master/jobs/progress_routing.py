"""Routing of the nodes' progress reports to whoever waits for the command.

Every master receives all reports, and ignores those of commands that are not its own.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from fleetfold_broker.bus import Bus
from fleetfold_broker.connection.subscription import Incoming
from fleetfold_broker.limited_log import LimitedLog
from fleetfold_master.nodes import Inflow, Refuses, refuse_none
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import ProgressReport, decode

__all__ = ["OnProgress", "subscribe_to_progress"]

log = structlog.get_logger(__name__)

OnProgress = Callable[[str, ProgressReport], bool]
"""Called with the authenticated node and its report. Returns whether it knows the command."""


async def subscribe_to_progress(bus: Bus, inflow: Inflow, *takers: OnProgress, refuses: Refuses = refuse_none) -> None:
    """Subscribe to reports; each goes to the first of `takers` that knows its command. Reports over the limit are
    dropped, and those of replaced processes."""

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
        if refuses(node, report.incarnation, "progress"):
            return
        any(take(node, report) for take in takers)

    await bus.connection.subscribe(bus.subjects.progress(), hear)
