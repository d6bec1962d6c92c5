"""Verbs about dead letters."""

from __future__ import annotations

from fleetfold_shared.messages import (
    DeadLetter,
    DeadLetterDrop,
    DeadLetterDropped,
    DeadLetterGet,
    DeadLetterList,
    DeadLetterListed,
    DeadLetterRetried,
    DeadLetterRetry,
)
from fleetfold_shared.verbs.verb import OPERATORS, READERS, Verb, allow

__all__ = ["DROP", "GET", "LIST", "RETRY"]

LIST = Verb(
    "dead_letters.list", DeadLetterList, DeadLetterListed, "List the dead letters.",
    roles=allow(READERS, own="publisher"), scope="named", safe=True, idempotent=True,
)  # fmt: skip
GET = Verb(
    "dead_letters.get", DeadLetterGet, DeadLetter, "Show a dead letter.",
    roles=allow(READERS, own="publisher"), scope="named", safe=True, idempotent=True,
)  # fmt: skip
RETRY = Verb(
    "dead_letters.retry", DeadLetterRetry, DeadLetterRetried, "Do a dead letter's command again.",
    roles=allow(OPERATORS, own="publisher"), scope="named", audit="committed", idempotent=True,
)  # fmt: skip
DROP = Verb(
    "dead_letters.drop", DeadLetterDrop, DeadLetterDropped, "Forget a dead letter.",
    roles=allow(OPERATORS, own="publisher"), scope="named", audit="committed", idempotent=True,
)  # fmt: skip
