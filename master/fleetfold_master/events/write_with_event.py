"""A write of another part's commit, with the event that tells of it."""

from __future__ import annotations

from typing import NamedTuple

from fleetfold_master.events.event_types import Event
from fleetfold_master.store.compiled_statements import Write

__all__ = ["WriteWithEvent"]


class WriteWithEvent(NamedTuple):
    """`write` belongs into the commit of whoever receives this; `event` is published by the same, after the commit."""

    write: Write
    event: Event
