"""Near-duplicates among real products: variants that are made of them stay apart, listings come together.

The bounds are those of docs/explanation/duplicates.md; the products are the collection `esci_us` of `support.realdata`.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache

import pytest

from fleetfold_child.connectors.documents import Document
from fleetfold_child.index.hit_fingerprints import with_fingerprints
from fleetfold_master.search.merge.deduplication import Candidate
from fleetfold_master.search.merge.near_duplicates import NearDuplicates
from fleetfold_shared.messages import Fingerprints, Hit, Parts, ScoredDocument
from fleetfold_shared.text.analysis import tokens
from fleetfold_shared.text.embedding import load_embedder
from fleetfold_shared.text.scoring import idf
from support.effort import effort
from support.realdata import real_documents

SAMPLE = effort(500)
COLOURS = ["black", "white", "red", "green", "blue", "pink"]
SIZES = ["small", "medium", "large", "queen", "king", "twin"]

Change = Callable[[str], str | None]


@cache
def products() -> tuple[list[Document], Counter[str], int]:
    """A sample of the products, in how many of all a term is, and how many there are."""
    everything = real_documents("esci_us")
    dfs = Counter(term for one in everything for term in set(tokens(one.text)))
    long = [one for one in everything if len(one.title.split()) >= 4]
    return random.Random(1).sample(long, min(SAMPLE, len(long))), dfs, len(everything)


def candidates(documents: Sequence[Document]) -> Iterator[Candidate]:
    vectors = load_embedder().embed([one.text for one in documents])
    for one, vector in zip(documents, vectors, strict=True):
        bare = ScoredDocument("c", one.id, 1.0, Parts(1.0, 0.0))
        marks = with_fingerprints(bare, one, vector, [], "near").marks or Fingerprints()
        yield Candidate(Hit("n", "c", one.id, 1.0, {}, one.title, one.content), marks)


def share_merged(change: Change) -> float:
    documents, dfs, count = products()
    pairs = [(one, title) for one in documents if (title := change(one.title)) and title != one.title]
    assert len(pairs) > SAMPLE / 20
    befores = candidates([one for one, _ in pairs])
    afters = candidates([replace(one, title=title) for one, title in pairs])
    judge = NearDuplicates(lambda term: idf(count, dfs[term]))
    return sum(judge(before, after) for before, after in zip(befores, afters, strict=True)) / len(pairs)


def other_of(words: list[str]) -> Change:
    def change(title: str) -> str | None:
        found = re.search(rf"\b({'|'.join(words)})\b", title, re.IGNORECASE)
        if found is None:
            return None
        other = words[(words.index(found.group().lower()) + 1) % len(words)]
        return title[: found.start()] + other + title[found.end() :]

    return change


def next_number(title: str) -> str | None:
    return re.sub(r"\d", lambda digit: str((int(digit.group()) + 1) % 10), title, count=1)


def parts_turned_round(title: str) -> str | None:
    return ", ".join(reversed(re.split(r",\s+", title)))


@pytest.mark.parametrize(
    "change",
    [other_of(COLOURS), other_of(SIZES), next_number, lambda title: f"{title}, 2 Pack"],
    ids=["colour", "size", "number", "pack"],
)
def test_a_variant_of_a_product_is_never_taken_for_it(change: Change) -> None:
    assert share_merged(change) == 0.0


@pytest.mark.parametrize(
    "change",
    [parts_turned_round, lambda title: re.sub(r"\b(and|the) ", "", title)],
    ids=["order", "function words"],
)
def test_another_listing_of_a_product_is_taken_for_it(change: Change) -> None:
    assert share_merged(change) >= 0.95
