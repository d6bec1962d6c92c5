"""Wire format of a collection's centroids: computed by the node, and used by the master to select nodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.text.embedding import unit_rows

__all__ = ["MAX_CENTROIDS", "MAX_DIMENSIONS", "NO_CENTROIDS", "Centroids", "pack_centroids", "unpack_centroids"]

MAX_CENTROIDS = 16
MAX_DIMENSIONS = 4096
"""Largest number of dimensions, with which a chunk of statistics stays below 1 MB."""


@dataclass(frozen=True, slots=True, eq=False)
class Centroids:
    """Centroids: `vectors` (n x dimensions, float32, unit length) and `sizes` (n, int64), the number of documents of
    each.
    """

    vectors: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), dtype=np.float32))
    sizes: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    def __len__(self) -> int:
        return len(self.sizes)


NO_CENTROIDS = Centroids()


def pack_centroids(centroids: Centroids) -> bytes:
    """Return the vectors as little-endian float16, row by row."""
    return centroids.vectors.astype("<f2").tobytes()


def unpack_centroids(data: bytes, sizes: Sequence[int]) -> Centroids:
    """Decode centroids. Raises `InvalidInput` for more than `MAX_CENTROIDS`, or bytes that are not n vectors."""
    count = len(sizes)
    if count > MAX_CENTROIDS:
        raise InvalidInput(f"sizes: {count} centroids, at most {MAX_CENTROIDS} are read", field="sizes")
    if any(not 0 <= size < 2**40 for size in sizes):
        raise InvalidInput("sizes: they count documents; none may be below 0", field="sizes")
    if not count and not data:
        return NO_CENTROIDS
    if not count or not data or len(data) % (2 * count) or len(data) > 2 * count * MAX_DIMENSIONS:
        raise InvalidInput(f"centroids: {len(data)} bytes are not {count} vectors of float16", field="centroids")
    vectors = np.frombuffer(data, dtype="<f2").astype(np.float32).reshape(count, -1)
    if not np.isfinite(vectors).all():
        raise InvalidInput("centroids: they hold a number that is not finite", field="centroids")
    return Centroids(unit_rows(vectors), np.asarray(sizes, dtype=np.int64))
