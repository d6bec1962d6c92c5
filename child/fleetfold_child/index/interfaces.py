"""Interfaces of the index, implemented in memory and by LanceDB's candidates."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fleetfold_child.connectors.documents import Document
from fleetfold_shared.messages.search import FieldKind, Term
from fleetfold_shared.messages.search_criteria import Filter, Scalar, Sort
from fleetfold_shared.query.facets import FacetCounter

__all__ = ["After", "Entry", "Examined", "Found", "Index", "Query", "Scored"]


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """A document with its terms in order, and its vector (dimensions; float32, unit length or zeros)."""

    document: Document
    terms: list[str]
    vector: NDArray[np.float32]


@dataclass(slots=True)
class Examined:
    """Statistics of an explained search: the number of scored documents."""

    scored: int = 0


@dataclass(frozen=True, slots=True)
class After:
    """End of the previous page, as one collection sees it: lower scores are behind it.

    At an equal score, ids above `id` are behind it as well; all for an empty `id`, none for `None`.
    """

    score: float
    id: str | None

    def precedes(self, score: float, identity: str) -> bool:
        """Tell whether a document is behind this position."""
        return score < self.score or (score == self.score and self.id is not None and identity > self.id)


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """A weighted query, as in `SearchRequest`. `filter`, `facets` and `sort` are checked; `vector` (dimensions) is
    `None` when the query has none.

    `examined` counts scored documents, if given. Work not done at `until`, by `time.perf_counter`, is abandoned.
    """

    terms: Sequence[Term]
    avgdl: float
    divisor: float
    alpha: float
    vector: NDArray[np.float32] | None
    k: int
    threshold: float | None = None
    filter: Filter | None = None
    examined: Examined | None = None
    after: After | None = None
    facets: Sequence[str] = ()
    sort: Sequence[Sort] = ()
    until: float | None = None

    def check_time(self) -> None:
        """Raise `TimeoutError` after the query's time."""
        if self.until is not None and time.perf_counter() > self.until:
            raise TimeoutError


@dataclass(frozen=True, slots=True)
class Scored:
    """A document and its score. `bm25` is divided by its divisor, `cosine` at least 0; `vector` (dimensions) is the
    document's, and `sort` has a value for each sort key.
    """

    document: Document
    score: float
    bm25: float
    cosine: float
    vector: NDArray[np.float32] | None = field(default=None, compare=False)
    sort: tuple[Scalar, ...] = ()


class Found(NamedTuple):
    """Result of a query: its hits, and a counter for each facet."""

    hits: list[Scored]
    facets: list[FacetCounter]


class Index(Protocol):
    """Index of documents. Changes are searchable as soon as `apply` returns."""

    @property
    def exact(self) -> bool:
        """Whether every document is scored, so that the top k is that of one index."""

    async def find(self, query: Query) -> Found:
        """Return the top k with a positive score: by the query's sort, then best first, ties by id; behind `after`, if
        given.

        The facets are over all matching documents: with a positive score, at or over the threshold.
        """

    async def kinds(self, fields: Collection[str]) -> dict[str, set[FieldKind]]:
        """Return the kinds of value that documents have in each field; `unknown` where not all are examined."""

    async def apply(self, entries: Sequence[Entry], removed: Collection[str]) -> None:
        """Apply new, changed and removed documents, which the table has already."""

    async def hashes(self, ids: Collection[str]) -> dict[str, str]:
        """Return the content hashes of existing documents among the ids."""

    async def documents(self, ids: Collection[str]) -> dict[str, Document]:
        """Return existing documents among the ids."""

    async def ids(self) -> set[str]:
        """All ids."""
