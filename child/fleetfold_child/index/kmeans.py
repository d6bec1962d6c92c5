"""Spherical k-means (Dhillon and Modha 2001): centroids on the unit sphere for many vectors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fleetfold_shared.text.embedding import unit_rows

__all__ = ["spherical_kmeans"]

_ROUNDS = 12  # the mean cosine moves by less than 0.001 after these
_SETTLED = 0.002  # of the rows changed their cluster: no more rounds

Vectors = NDArray[np.float32]


def spherical_kmeans(vectors: Vectors, k: int, seed: int = 0) -> tuple[Vectors, NDArray[np.int64]]:
    """Return at most `k` centroids (c x dimensions) of unit length, and the centroid's number (n,) of each row of
    `vectors` (n x dimensions).

    `vectors` are of unit length. Deterministic for the same vectors in the same order; fewer than `k` where there are
    fewer different vectors. 20,000 vectors of 256 dimensions take about 0.3 s.
    """
    centroids = _first(vectors, k, np.random.default_rng(seed))
    belongs = np.full(len(vectors), -1, dtype=np.int64)
    for _ in range(_ROUNDS if len(vectors) else 0):
        nearest = np.argmax(vectors @ centroids.T, axis=1)
        moved = np.count_nonzero(nearest != belongs)
        belongs = nearest
        if moved <= _SETTLED * len(vectors):
            break
        centroids = _means(vectors, belongs, centroids)
    return _without_empty(centroids, belongs)


def _first(vectors: Vectors, k: int, random: np.random.Generator) -> Vectors:
    """Return the initial centroids by k-means++ (Arthur and Vassilvitskii 2007): each next one drawn by its distance to
    those chosen.
    """
    chosen: list[int] = []
    distances = np.ones(len(vectors))
    while len(chosen) < min(k, len(vectors)) and distances.sum() > 1e-4:
        drawn = int(random.choice(len(vectors), p=distances / distances.sum()))
        chosen.append(drawn)
        apart = 1.0 - (vectors @ vectors[drawn]).astype(np.float64)
        distances = np.minimum(distances, np.where(apart > 1e-6, apart, 0.0))
    return vectors[chosen]


def _means(vectors: Vectors, belongs: NDArray[np.int64], before: Vectors) -> Vectors:
    """Return the directions of the clusters' sums; an empty cluster keeps its centroid."""
    members = (belongs[:, None] == np.arange(len(before))).astype(np.float32)
    sums = unit_rows(members.T @ vectors)
    return np.where(sums.any(axis=1, keepdims=True), sums, before)


def _without_empty(centroids: Vectors, belongs: NDArray[np.int64]) -> tuple[Vectors, NDArray[np.int64]]:
    used, numbers = np.unique(belongs, return_inverse=True)
    return centroids[used], numbers.astype(np.int64)
