"""What an index is: the port behind which documents are scored in memory or by LanceDB's candidates."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fleetfold_child.connectors.documents import Document
from fleetfold_shared.messages.criteria import Filter, Scalar, Sort
from fleetfold_shared.messages.search import FieldKind, Term
from fleetfold_shared.query.facets import Tally

__all__ = ["After", "Entry", "Examined", "Found", "Index", "Query", "Scored"]


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """A document with what it is found by: its terms in order, and its vector (float32, unit length or zeros)."""

    document: Document
    terms: list[str]
    vector: NDArray[np.float32]


@dataclass(slots=True)
class Examined:
    """Filled in by a search that is to be explained: how many documents got a score."""

    scored: int = 0


@dataclass(frozen=True, slots=True)
class After:
    """Where the page before ended, as one collection sees it: lower scores are behind it.

    Of its own score, the ids above `id` are behind it as well; all of them when it is empty, none when it is None.
    """

    score: float
    id: str | None

    def precedes(self, score: float, identity: str) -> bool:
        """Whether a document is behind the place."""
        return score < self.score or (score == self.score and self.id is not None and identity > self.id)


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """A weighed query, as in `SearchAsk`. `filter`, `facets` and `sort` are checked; `vector` is None when the query
    has none.

    Nothing is counted without a `tally`. Work that is not done at `until`, by `time.perf_counter`, is given up.
    """

    terms: Sequence[Term]
    avgdl: float
    divisor: float
    alpha: float
    vector: NDArray[np.float32] | None
    k: int
    threshold: float | None = None
    filter: Filter | None = None
    tally: Examined | None = None
    after: After | None = None
    facets: Sequence[str] = ()
    sort: Sequence[Sort] = ()
    until: float | None = None

    def check_time(self) -> None:
        """`TimeoutError` if nobody waits any longer."""
        if self.until is not None and time.perf_counter() > self.until:
            raise TimeoutError


@dataclass(frozen=True, slots=True)
class Scored:
    """A document and its score. `bm25` is over its divisor, `cosine` not below 0; `vector` is the document's own, and
    `sort` has a value for each key of the query.
    """

    document: Document
    score: float
    bm25: float
    cosine: float
    vector: NDArray[np.float32] | None = field(default=None, compare=False)
    sort: tuple[Scalar, ...] = ()


class Found(NamedTuple):
    """What a query finds: its hits, and a tally for each of its facets."""

    hits: list[Scored]
    facets: list[Tally]


class Index(Protocol):
    """Finds documents. What `apply` was given is found as soon as it returns."""

    @property
    def exact(self) -> bool:
        """Whether every document is scored, so that the top k is that of one index."""

    async def find(self, query: Query) -> Found:
        """The top k with a positive score, by the query's keys, then best first, ties by id; of those behind `after`,
        if it is given.

        The facets are over all documents that match: with a positive score, at or over the threshold.
        """

    async def kinds(self, fields: Collection[str]) -> dict[str, set[FieldKind]]:
        """The kinds of value that documents have in each of the fields; `unknown` where not all are looked at."""

    async def apply(self, entries: Sequence[Entry], removed: Collection[str]) -> None:
        """Take in new and changed documents, and let go of those removed. The table has them already."""

    async def hashes(self, ids: Collection[str]) -> dict[str, str]:
        """The content hashes of those of the ids that are here."""

    async def documents(self, ids: Collection[str]) -> dict[str, Document]:
        """Those of the ids that are here."""

    async def ids(self) -> set[str]:
        """All ids."""
