"""One collection over several nodes: at random, where all have the same, or by topic, where each has its own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fleetfold_child.index.kmeans import spherical_kmeans

__all__ = ["NODES", "by_topic", "random_split"]

NODES = 8


def random_split(documents: int, nodes: int = NODES, seed: int = 0) -> NDArray[np.int64]:
    """For each document the number of its node; the nodes are of equal size."""
    return np.random.default_rng(seed).permutation(np.arange(documents) % nodes)


def by_topic(vectors: NDArray[np.float32], nodes: int = NODES, seed: int = 0) -> NDArray[np.int64]:
    """For each of `vectors` (n, dimensions) its cluster by spherical k-means: the nodes may be of very unlike sizes."""
    return spherical_kmeans(vectors, nodes, seed + 1)[1]
