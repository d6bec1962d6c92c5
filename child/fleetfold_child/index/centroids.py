"""Centroids of a collection's vectors (at most 16 x dimensions, float32), recomputed on demand after 10% of the
documents changed.
"""

from __future__ import annotations

import asyncio

import numpy as np
import structlog
from numpy.typing import NDArray

from fleetfold_child.index.kmeans import spherical_kmeans
from fleetfold_child.index.lance_table import Table
from fleetfold_shared.text.centroid_format import MAX_CENTROIDS, NO_CENTROIDS, Centroids

__all__ = ["CollectionCentroids"]

_SAMPLE = 20_000
_REMADE_AFTER = 0.1  # of the documents have come, gone or changed

_log = structlog.get_logger(__name__)


class CollectionCentroids:
    """Computes centroids from a sample of `table` in a thread, without blocking writes or searches."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._known = NO_CENTROIDS
        self._documents, self._changed = 0, 0
        self._computing: asyncio.Task[Centroids] | None = None

    def wrote(self, rows: int) -> None:
        """Count added, removed or changed rows."""
        self._changed += rows

    async def current(self, documents: int) -> Centroids:
        """Return the centroids of `documents` documents, recomputed when a tenth of them has changed.

        Concurrent callers share one computation. When the table cannot be read, the former centroids are returned.
        """
        if self._computing is None:
            if self._documents and self._changed < _REMADE_AFTER * self._documents:
                return self._known
            self._computing = asyncio.create_task(self._compute(documents))
        return await asyncio.shield(self._computing)

    async def close(self) -> None:
        """Cancel a computation under way."""
        if self._computing is not None:
            self._computing.cancel()
            await asyncio.wait([self._computing])

    async def _compute(self, documents: int) -> Centroids:
        seen = self._changed
        try:
            vectors = await self._table.sample_vectors(_SAMPLE, documents)
            self._known = await asyncio.to_thread(_clustered, vectors, documents)
            self._documents, self._changed = documents, self._changed - seen
        except (RuntimeError, OSError, ValueError) as error:  # what LanceDB raises
            _log.warning("centroids.failed", error=str(error).splitlines()[0])
        finally:
            self._computing = None
        return self._known


def _clustered(vectors: NDArray[np.float32], documents: int) -> Centroids:
    """Cluster a sample, `vectors` (n x dimensions), of `documents` documents; zero rows belong to documents without a
    vector.
    """
    nonzero = vectors[vectors.any(axis=1)]
    if not len(nonzero):
        return NO_CENTROIDS
    centroids, belongs = spherical_kmeans(nonzero, MAX_CENTROIDS)
    counts = np.bincount(belongs, minlength=len(centroids))
    return Centroids(centroids, np.rint(counts * (documents / len(vectors))).astype(np.int64))
