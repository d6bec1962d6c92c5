"""Verbs about jobs."""

from __future__ import annotations

from fleetfold_shared.messages import (
    Job,
    JobCancel,
    JobEnds,
    JobEndsRequest,
    JobFollow,
    JobGet,
    JobList,
    JobListed,
    JobWait,
)
from fleetfold_shared.verbs.verb import OPERATORS, READERS, Verb, allow

__all__ = ["CANCEL", "ENDED", "FOLLOW", "GET", "LIST", "WAIT"]

GET = Verb(
    "jobs.get", JobGet, Job, "Show a job.",
    roles=allow(READERS, own="publisher"), scope="named", safe=True, idempotent=True,
)  # fmt: skip
WAIT = Verb(
    "jobs.wait", JobWait, Job, "Wait for a job's end.",
    roles=allow(READERS, own="publisher"), scope="named", safe=True, idempotent=True,
)  # fmt: skip
ENDED = Verb(
    "jobs.ended", JobEndsRequest, JobEnds, "Wait for the ends of many jobs.",
    roles=allow(READERS, own="publisher"), scope="named", safe=True, idempotent=True,
)  # fmt: skip
LIST = Verb(
    "jobs.list", JobList, JobListed, "List the jobs.",
    roles=allow(READERS, own="publisher"), scope="named", safe=True, idempotent=True,
)  # fmt: skip
FOLLOW = Verb(
    "jobs.follow", JobFollow, Job, "Follow a job live.",
    roles=allow(READERS, own="publisher"), scope="named", streams=Job, safe=True, idempotent=True,
)  # fmt: skip
CANCEL = Verb(
    "jobs.cancel", JobCancel, Job, "Stop a job.",
    roles=allow(OPERATORS, own="publisher"), scope="named", audit="buffered", idempotent=True,
)  # fmt: skip
