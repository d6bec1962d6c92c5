"""Centroids: the same ones each time, at the places where the vectors are, and checked when they come."""

from __future__ import annotations

import numpy as np
import pytest

from fleetfold_child.index.kmeans import spherical_kmeans
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import StatisticsChunk
from fleetfold_shared.text.centroid_format import MAX_CENTROIDS, Centroids, pack_centroids, unpack_centroids
from fleetfold_shared.text.embedding import unit_rows
from fleetfold_shared.text.term_statistics import StatisticsTable, pack_terms


def clouds(count: int, each: int) -> np.ndarray:
    chance = np.random.default_rng(3)
    middles = np.eye(12)[:count]
    return unit_rows(np.repeat(middles, each, axis=0) + chance.normal(scale=0.05, size=(count * each, 12)))


def packed(count: int, dimensions: int = 4) -> bytes:
    rows = unit_rows(np.ones((count, dimensions)))
    return pack_centroids(Centroids(rows, np.ones(count, dtype=np.int64)))


def test_clusters_are_found_where_they_are() -> None:
    centroids, belongs = spherical_kmeans(clouds(5, 40), 5)
    assert sorted(np.argmax(centroids, axis=1).tolist()) == [0, 1, 2, 3, 4]
    assert np.bincount(belongs).tolist() == [40] * 5
    assert np.linalg.norm(centroids, axis=1) == pytest.approx(np.ones(5), abs=1e-5)


def test_the_same_vectors_give_the_same_centroids() -> None:
    vectors = clouds(4, 30)
    assert np.array_equal(spherical_kmeans(vectors, 7)[0], spherical_kmeans(vectors, 7)[0])


@pytest.mark.parametrize(("count", "k", "left"), [(0, 16, 0), (1, 16, 1), (3, 16, 3), (3, 2, 2)])
def test_there_are_never_more_centroids_than_different_vectors(count: int, k: int, left: int) -> None:
    vectors = np.repeat(np.eye(4, dtype=np.float32)[:count], 5, axis=0)
    assert len(spherical_kmeans(vectors, k)[0]) == left


def test_what_travels_comes_back() -> None:
    sent = Centroids(clouds(3, 1), np.array([4, 5, 6]))
    came = unpack_centroids(pack_centroids(sent), [4, 5, 6])
    assert came.vectors == pytest.approx(sent.vectors, abs=1e-3)
    assert came.sizes.tolist() == [4, 5, 6]


@pytest.mark.parametrize(
    ("data", "sizes", "field"),
    [
        (packed(MAX_CENTROIDS + 1), [1] * (MAX_CENTROIDS + 1), "sizes"),
        (packed(1), [-1], "sizes"),
        (packed(2)[:-1], [1, 1], "centroids"),
        (packed(1), [], "centroids"),
        (b"", [1], "centroids"),
        (packed(1, 5000), [1], "centroids"),
        (np.array([np.inf], dtype="<f2").tobytes(), [1], "centroids"),
    ],
)
def test_what_are_no_centroids_is_refused_by_the_field(data: bytes, sizes: list[int], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        unpack_centroids(data, sizes)
    assert refused.value.field == field


def chunk(**more: object) -> StatisticsChunk:
    given = {"incarnation": "i", "epoch": 1, "documents": 2, "length": 4, "full": True, "terms": pack_terms({"a": 1})}
    return StatisticsChunk(**(given | more))  # type: ignore[arg-type] # of the fields above


def test_a_table_takes_the_centroids_of_the_last_chunk() -> None:
    table = StatisticsTable()
    assert not table.apply(chunk(next_offset=1))
    assert len(table.centroids) == 0
    assert table.apply(chunk(full=False, centroids=packed(2), sizes=[1, 1]))
    assert table.centroids.vectors.shape == (2, 4)


def test_a_node_that_tells_none_has_none() -> None:
    table = StatisticsTable()
    table.apply(chunk(centroids=packed(2), sizes=[1, 1]))
    table.apply(chunk())
    assert len(table.centroids) == 0
