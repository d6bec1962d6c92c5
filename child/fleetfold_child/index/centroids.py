"""The centroids of a collection, made when they are wanted and the old ones no longer tell what there is."""

from __future__ import annotations

import asyncio

import numpy as np
import structlog
from numpy.typing import NDArray

from fleetfold_child.index.kmeans import spherical_kmeans
from fleetfold_child.index.lance_table import Table
from fleetfold_shared.text.centroids import MAX_CENTROIDS, NO_CENTROIDS, Centroids

__all__ = ["CollectionCentroids"]

_SAMPLE = 20_000
_REMADE_AFTER = 0.1  # of the documents have come, gone or changed

_log = structlog.get_logger(__name__)


class CollectionCentroids:
    """Reads a sample of `table` and clusters it in a thread: no write and no search waits for it."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._known = NO_CENTROIDS
        self._documents, self._changed = 0, 0
        self._making: asyncio.Task[Centroids] | None = None

    def wrote(self, rows: int) -> None:
        """Rows have come, gone or changed."""
        self._changed += rows

    async def current(self, documents: int) -> Centroids:
        """The centroids of `documents` documents, made anew when a tenth of them has changed since the last time.

        All that ask meanwhile wait for the same. Where the table cannot be read, those that were known.
        """
        if self._making is None:
            if self._documents and self._changed < _REMADE_AFTER * self._documents:
                return self._known
            self._making = asyncio.create_task(self._make(documents))
        return await asyncio.shield(self._making)

    async def close(self) -> None:
        """End what is being made."""
        if self._making is not None:
            self._making.cancel()
            await asyncio.wait([self._making])

    async def _make(self, documents: int) -> Centroids:
        seen = self._changed
        try:
            vectors = await self._table.sample_vectors(_SAMPLE, documents)
            self._known = await asyncio.to_thread(_clustered, vectors, documents)
            self._documents, self._changed = documents, self._changed - seen
        except (RuntimeError, OSError, ValueError) as error:  # what LanceDB raises
            _log.warning("centroids.not_made", error=str(error).splitlines()[0])
        finally:
            self._making = None
        return self._known


def _clustered(vectors: NDArray[np.float32], documents: int) -> Centroids:
    """Of `documents`, of which `vectors` (n, dimensions) are a sample; zeros are of documents without a vector."""
    kept = vectors[vectors.any(axis=1)]
    if not len(kept):
        return NO_CENTROIDS
    centroids, belongs = spherical_kmeans(kept, MAX_CENTROIDS)
    counts = np.bincount(belongs, minlength=len(centroids))
    return Centroids(centroids, np.rint(counts * (documents / len(vectors))).astype(np.int64))
