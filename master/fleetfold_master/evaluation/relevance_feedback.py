"""Judgements and clicks of users on hits; clicks have a retention time."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from hashlib import blake2b

from fleetfold_master.evaluation.evaluation_rows import clicked, forgotten, judged, read_known
from fleetfold_master.store import Store
from fleetfold_shared.clock import Clock
from fleetfold_shared.errors import Conflict, InvalidInput
from fleetfold_shared.messages import Judgement, QualityClick, QualityClicked, QualityForgotten, QualityJudged

__all__ = ["MOST_JUDGEMENTS", "Judgements", "digest", "normalised"]

MOST_CHARS = 2000
"""Limit of a query; a search ignores the rest as well."""
MOST_JUDGEMENTS = 1000
"""Limit per query."""


def normalised(query: str, field: str = "query") -> str:
    """The query with white space normalised. Raises `InvalidInput`, naming `field`, if it is empty."""
    text = " ".join(query.replace("\0", " ")[:MOST_CHARS].split())
    if not text:
        raise InvalidInput(f"{field}: it is empty; say which query", field=field)
    return text


def digest(text: str) -> str:
    """A digest of 32 hexadecimal digits of a normalised query, ignoring case."""
    return blake2b(text.casefold().encode(), digest_size=16).hexdigest()


class Judgements:
    """Judgements and clicks in the master's store. Callers have checked access to the nodes."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._judging = asyncio.Lock()

    async def judge(self, judgements: Sequence[Judgement], who: str) -> QualityJudged:
        """Store all or none. Raises `Conflict` if a query would have more than 1,000 judged documents."""
        at = self._clock.wall()
        rows = {}
        for number, one in enumerate(judgements):
            text = normalised(one.query, f"judgements[{number}].query")
            check_id(one.id, f"judgements[{number}].id")
            key = (digest(text), one.node, one.collection, one.id)
            names = dict(zip(("query", "node", "collection", "document"), key, strict=True))
            rows[key] = {**names, "text": text, "grade": one.grade, "who": who, "at": at}
        async with self._judging:
            await self._check_room(list(rows))
            await self._store.write(*judged(rows.values()))
        return QualityJudged(judgements=len(rows), queries=len({key[0] for key in rows}))

    async def click(self, ask: QualityClick, who: str) -> QualityClicked:
        """Store a click; the latest 1,000 of each query are kept."""
        text, at = normalised(ask.query), self._clock.wall()
        check_id(ask.id, "id")
        row = {
            "query": digest(text), "node": ask.node, "collection": ask.collection, "document": ask.id, "text": text,
            "rank": ask.rank, "who": who, "at": at,
        }  # fmt: skip
        await self._store.write(*clicked(row))
        return QualityClicked(at=at)

    async def forget(self, query: str) -> QualityForgotten:
        """Delete everything stored about the query."""
        judgements, clicks = forgotten(digest(normalised(query)))
        async with self._judging:
            return QualityForgotten(
                judgements=await self._store.write(judgements), clicks=await self._store.write(clicks)
            )

    async def _check_room(self, keys: Sequence[tuple[str, str, str, str]]) -> None:
        wanted = defaultdict(set)
        for query, *document in keys:
            wanted[query].add(tuple(document))
        for query, documents in wanted.items():
            if len(documents | await read_known(self._store, query)) > MOST_JUDGEMENTS:
                raise Conflict(
                    f"judgements: a query has at most {MOST_JUDGEMENTS} judged documents; forget it to begin anew",
                    field="judgements",
                )


def check_id(document: str, field: str) -> None:
    """Raise `InvalidInput`, naming `field`, for text that not every database can store."""
    if "\0" in document:
        raise InvalidInput(f"{field}: it holds a NUL character, which cannot be kept; leave it out", field=field)
