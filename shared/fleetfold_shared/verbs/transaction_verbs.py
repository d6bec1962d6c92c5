"""Verbs about transactions."""

from __future__ import annotations

from fleetfold_shared.messages import (
    Transact,
    TransactionCancel,
    TransactionFollow,
    TransactionGet,
    TransactionList,
    TransactionListed,
    TransactionNews,
    TransactionResolve,
    TransactionRetry,
    TransactionSkip,
    TransactionView,
    TransactionWait,
)
from fleetfold_shared.verbs.verb import OPERATORS, PUBLISHERS, READERS, Verb, allow

__all__ = ["CANCEL", "FOLLOW", "GET", "LIST", "RESOLVE", "RETRY", "RUN", "SKIP", "WAIT"]

RUN = Verb(
    "transactions.run", Transact, TransactionView, "Run a transaction.",
    roles=allow(PUBLISHERS), scope="named", audit="buffered", idempotent=True,
)  # fmt: skip
GET = Verb(
    "transactions.get", TransactionGet, TransactionView, "Show a transaction.",
    roles=allow(READERS, own="publisher"), scope="named", safe=True, idempotent=True,
)  # fmt: skip
WAIT = Verb(
    "transactions.wait", TransactionWait, TransactionView, "Wait for a transaction's end.",
    roles=allow(READERS, own="publisher"), scope="named", safe=True, idempotent=True,
)  # fmt: skip
FOLLOW = Verb(
    "transactions.follow", TransactionFollow, TransactionView, "Follow a transaction to its end.",
    roles=allow(READERS, own="publisher"), scope="named", streams=TransactionNews, safe=True, idempotent=True,
)  # fmt: skip
LIST = Verb(
    "transactions.list", TransactionList, TransactionListed, "List the transactions.",
    roles=allow(READERS, own="publisher"), scope="named", safe=True, idempotent=True,
)  # fmt: skip
CANCEL = Verb(
    "transactions.cancel", TransactionCancel, TransactionView, "Turn a transaction back.",
    roles=allow(OPERATORS, own="publisher"), scope="named", audit="buffered", idempotent=True,
)  # fmt: skip
RETRY = Verb(
    "transactions.retry", TransactionRetry, TransactionView, "Try the parked steps of a transaction again.",
    roles=allow(OPERATORS), scope="named", audit="buffered",
)  # fmt: skip
SKIP = Verb(
    "transactions.skip", TransactionSkip, TransactionView, "Leave a parked step as it is.",
    roles=allow(OPERATORS), scope="named", audit="buffered", idempotent=True,
)  # fmt: skip
RESOLVE = Verb(
    "transactions.resolve", TransactionResolve, TransactionView, "End a parked transaction by hand.",
    roles=allow(OPERATORS), scope="named", audit="buffered", idempotent=True,
)  # fmt: skip
