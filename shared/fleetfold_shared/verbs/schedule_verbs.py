"""Verbs about schedules."""

from __future__ import annotations

from fleetfold_shared.messages import (
    ScheduleFire,
    ScheduleGet,
    ScheduleList,
    ScheduleListed,
    SchedulePause,
    SchedulePut,
    ScheduleRemove,
    ScheduleRemoved,
    ScheduleResume,
    ScheduleView,
)
from fleetfold_shared.verbs.verb import OPERATORS, READERS, Verb, allow

__all__ = ["FIRE", "GET", "LIST", "PAUSE", "PUT", "REMOVE", "RESUME"]

PUT = Verb(
    "schedules.put", SchedulePut, ScheduleView, "Make or change a schedule.",
    roles=allow(OPERATORS, own="publisher"), scope="named", audit="committed", idempotent=True,
)  # fmt: skip
GET = Verb(
    "schedules.get", ScheduleGet, ScheduleView, "Show a schedule and its firings.",
    roles=allow(READERS, own="publisher"), scope="named", safe=True, idempotent=True,
)  # fmt: skip
LIST = Verb(
    "schedules.list", ScheduleList, ScheduleListed, "List the schedules.",
    roles=allow(READERS, own="publisher"), scope="named", safe=True, idempotent=True,
)  # fmt: skip
REMOVE = Verb(
    "schedules.remove", ScheduleRemove, ScheduleRemoved, "Remove a schedule.",
    roles=allow(OPERATORS, own="publisher"), scope="named", audit="committed", idempotent=True,
)  # fmt: skip
PAUSE = Verb(
    "schedules.pause", SchedulePause, ScheduleView, "Have a schedule fire nothing for a while.",
    roles=allow(OPERATORS, own="publisher"), scope="named", audit="committed", idempotent=True,
)  # fmt: skip
RESUME = Verb(
    "schedules.resume", ScheduleResume, ScheduleView, "Have a schedule fire again.",
    roles=allow(OPERATORS, own="publisher"), scope="named", audit="committed", idempotent=True,
)  # fmt: skip
FIRE = Verb(
    "schedules.fire", ScheduleFire, ScheduleView, "Fire a schedule now.",
    roles=allow(OPERATORS, own="publisher"), scope="named", audit="committed", idempotent=True,
)  # fmt: skip
