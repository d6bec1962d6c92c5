"""A collection says how it searched, whichever index it has, and answers the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetfold_child.index import Collection, search_collections
from fleetfold_shared.messages import Filter
from support.search import WordBag, ask

RECORDS = [{"id": f"d{number:03}", "text": f"tent number{number}", "even": number % 2 == 0} for number in range(300)]


@pytest.mark.parametrize(("memory", "exact"), [(1000, True), (0, False)])
async def test_it_says_how_many_documents_got_a_score(tmp_path: Path, memory: int, exact: bool) -> None:
    async with await Collection.open("docs", tmp_path, embedder=WordBag(), memory_documents=memory) as docs:
        await docs.index(RECORDS)
        await docs.delete(["d000"])
        plain = ask("tent number7", docs._statistics, k=5)
        hits, how = await docs.search_explained(plain)
        assert (hits, how.exact) == await docs.search(plain)
        assert (how.collection, how.documents, how.exact, how.epoch) == ("docs", 299, exact, docs.info().epoch)
        assert how.scored == 299 if exact else 5 <= how.scored < 299
        assert how.master_epoch is None


@pytest.mark.parametrize("memory", [1000, 0])
async def test_the_answers_parts_add_up_and_nothing_is_explained_unasked(tmp_path: Path, memory: int) -> None:
    async with await Collection.open("docs", tmp_path, embedder=WordBag(), memory_documents=memory) as docs:
        await docs.index(RECORDS)
        even = Filter(field="even", value=True)
        plain = ask("tent number8", docs._statistics, k=5, filter=even)
        asked = ask("tent number8", docs._statistics, k=5, filter=even, explain=True, highlight=True)
        answer, bare = [await search_collections({"docs": docs}, one) for one in (asked, plain)]
    assert [(hit.id, hit.score) for hit in answer.hits] == [(hit.id, hit.score) for hit in bare.hits]
    assert (bare.explain, [hit for hit in bare.hits if hit.explain or hit.highlight]) == ([], [])
    assert [one.collection for one in answer.explain] == ["docs"]
    for hit in answer.hits:
        assert hit.explain is not None
        assert hit.highlight is not None
        lexical = sum(term.share for term in hit.explain.terms)
        assert 0.7 * lexical + 0.3 * hit.explain.cosine == pytest.approx(hit.score, abs=1e-9)
