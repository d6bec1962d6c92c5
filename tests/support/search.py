"""For tests of the search: a small embedder, asks, and the score once more in plain Python."""

from __future__ import annotations

import math
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import numpy as np

from fleetfold_child.connectors.documents import Document
from fleetfold_child.index.collection_statistics import Difference, Statistics
from fleetfold_child.index.interfaces import Entry, Index, Query, Scored
from fleetfold_child.index.preparation import prepare
from fleetfold_shared.messages.search import SearchRequest
from fleetfold_shared.text.analysis import ANALYZER, query_terms, tokens
from fleetfold_shared.text.embedding import pack, unit_rows
from fleetfold_shared.text.scoring import Corpus, weigh


class WordBag:
    """An embedder of 16 dimensions that needs no weights: each word is a fixed random direction."""

    name = "word-bag-16"
    dimensions = 16

    def embed(self, texts: Sequence[str]) -> Any:
        rows = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in text.lower().split():
                row += _direction(word, self.dimensions)
        return unit_rows(rows)


@cache
def _direction(word: str, dimensions: int) -> Any:
    return np.random.default_rng(zlib.crc32(word.encode())).normal(size=dimensions)


def document(identity: str, content: str = "", title: str = "", **metadata: Any) -> Document:
    return Document(identity, title, content, metadata)


def entries(documents: Iterable[Document]) -> list[Entry]:
    return prepare(list(documents), WordBag())


async def search(index: Index, asked: Query) -> list[Scored]:
    """The hits of a query, without its facets."""
    return (await index.find(asked)).hits


def statistics_of(documents: Iterable[Document]) -> Statistics:
    statistics, counted = Statistics(), Difference()
    for one in documents:
        counted.add(tokens(one.text))
    statistics.apply(counted)
    return statistics


def query(text: str, corpus: Corpus, k: int = 10, **more: Any) -> Query:
    weights = weigh(query_terms(text), corpus)
    vector = WordBag().embed([text])[0]
    return Query(weights.terms, weights.avgdl, weights.divisor, more.pop("alpha", 0.7), vector, k, **more)


def ask(text: str, corpus: Corpus, k: int = 10, **more: Any) -> SearchRequest:
    """What a master would send."""
    weights = weigh(query_terms(text), corpus)
    given = {
        "request": "r1",
        "terms": weights.terms,
        "avgdl": weights.avgdl,
        "divisor": weights.divisor,
        "k": k,
        "deadline_ms": 10_000,
        "analyzer": ANALYZER,
        "embedder": WordBag.name,
        "vector": pack(WordBag().embed([text])[0]),
    }
    return SearchRequest(**(given | more))


def reference_scores(text: str, documents: Sequence[Document], alpha: float = 0.7) -> dict[str, float]:
    """Document id -> score, by the formula and nothing clever: the positive ones, best first, ties by id."""
    bags = {one.id: Counter(tokens(one.text)) for one in documents}
    lengths = {one: sum(bag.values()) for one, bag in bags.items()}
    avgdl = sum(lengths.values()) / len(documents) if any(lengths.values()) else 1.0
    terms = query_terms(text)
    idfs = {}
    for term in terms:
        df = sum(1 for bag in bags.values() if term in bag)
        idfs[term] = math.log(1 + (len(documents) - df + 0.5) / (df + 0.5))
    divisor = sum(qtf * idfs[term] for term, qtf in terms.items())
    embedder = WordBag()
    wanted = embedder.embed([text])[0].tolist()
    scores: dict[str, float] = {}
    for one in documents:
        bm25 = 0.0
        for term, qtf in terms.items():
            tf = bags[one.id][term]
            bm25 += qtf * idfs[term] * tf / (tf + 1.2 * (1 - 0.75 + 0.75 * lengths[one.id] / avgdl))
        cosine = sum(a * b for a, b in zip(wanted, embedder.embed([one.text])[0].tolist(), strict=True))
        scores[one.id] = alpha * (bm25 / divisor if divisor else 0.0) + (1 - alpha) * max(cosine, 0.0)
    return dict(sorted(((i, s) for i, s in scores.items() if s > 0), key=lambda item: (-item[1], item[0])))
