"""Verbs that run actions on nodes."""

from __future__ import annotations

from fleetfold_shared.messages import Job, Run, Submit, Submitted
from fleetfold_shared.verbs.verb import PUBLISHERS, Verb, allow

__all__ = ["RUN", "SUBMIT"]

RUN = Verb(
    "actions.run", Run, Job, "Run an action on nodes.",
    roles=allow(PUBLISHERS), scope="named", audit="buffered", idempotent=True,
)  # fmt: skip
SUBMIT = Verb(
    "actions.submit", Submit, Submitted, "Run many actions in one request.",
    roles=allow(PUBLISHERS), scope="named", audit="buffered", idempotent=True,
)  # fmt: skip
