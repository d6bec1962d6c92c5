"""The verb of searches."""

from __future__ import annotations

from fleetfold_shared.messages import Search, Searched
from fleetfold_shared.verbs.verb import READERS, Verb, allow

__all__ = ["QUERY"]

QUERY = Verb(
    "search.query", Search, Searched, "Search the nodes.",
    roles=allow(READERS), scope="named", audit="buffered", safe=True, idempotent=True,
)  # fmt: skip
