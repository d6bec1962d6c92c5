"""A node whose answer does not fit what it was asked is reported, and changes nothing for the others."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import Searched, SearchRequest, Sort, StatisticsChunk
from fleetfold_shared.text.term_statistics import MAX_CHUNKS, StatisticsTable, pack_terms
from support.paging import Lie, PagedNodes
from support.search import document

Answer = dict[str, Any]
EVERYTHING: dict[str, Any] = {
    "facets": ["price", "brand"], "highlight": True, "explain": True, "limit": 3,
}  # fmt: skip
HIT = {"collection": "docs", "id": "x1", "score": 0.9, "parts": [0.9, 0.9], "title": "tent", "content": "a tent"}


async def three(*, lie: Lie | None = None) -> PagedNodes:
    """Two honest nodes, and one that may lie."""
    fleet = PagedNodes()
    for node in ("blog", "liar", "shop"):
        documents = [
            document(f"{node}-{n}", f"a light tent {'rain ' * n}", "tent", price=n, brand="Acme") for n in range(4)
        ]
        await fleet.put(node, "docs", documents)
        await fleet.put(node, "other", [document(f"{node}-other", "a stove")])
    if lie is not None:
        fleet.lies["liar"] = lie
    return fleet


def hit(**changed: Any) -> Lie:
    """Its first hit with these fields."""
    return lambda _ask, answer: answer | {"hits": [answer["hits"][0] | changed, *answer["hits"][1:]]}


def field(**changed: Any) -> Lie:
    """Its answer with these fields."""
    return lambda _ask, answer: answer | changed


def failing(_ask: SearchRequest, _answer: Answer) -> Answer:
    """What a node says that could not search."""
    return {"status": "error", "error": "the index is gone", "code": "internal"}


def within(*path: Any, to: Any) -> Lie:
    """Its answer with another value at this path."""

    def lie(_ask: SearchRequest, answer: Answer) -> Answer:
        here: Any = answer
        for name in path[:-1]:
            here = here[name]
        here[path[-1]] = to
        return answer

    return lie


LIES: dict[str, tuple[Lie, str]] = {
    "a score above 1000": (hit(score=1001.0), "hits[0].score: 1001.0 is outside (0, 1]"),
    "a score above 1": (hit(score=1.01), "hits[0].score: 1.01 is outside (0, 1]"),
    "a score of 0": (hit(score=0.0), "hits[0].score"),
    "a score below 0": (hit(score=-0.5), "hits[0].score"),
    "a score of 1e308": (hit(score=1e308), "hits[0].score"),
    "a score that is null": (hit(score=None), "hits[0].score: expected `float`, got `null`"),
    "words that weigh more than all": (hit(parts=[7.0, 0.5]), "hits[0].parts.bm25"),
    "words that weigh less than nothing": (hit(parts=[-0.1, 0.5]), "hits[0].parts.bm25"),
    "a cosine above 1": (hit(parts=[0.5, 1.5]), "hits[0].parts.cosine"),
    "a cosine below 0": (hit(parts=[0.5, -1.0]), "hits[0].parts.cosine"),
    "more hits than were asked for": (
        lambda ask, answer: answer | {"hits": [HIT | {"id": f"x{n}"} for n in range(ask.k + 1)]}, "hits: 4 of them",
    ),
    "thousands of hits": (
        lambda _ask, answer: answer | {"hits": [HIT | {"id": f"x{n}"} for n in range(5000)]}, "hits: 5000 of them",
    ),
    "an id twice": (field(hits=[HIT, HIT]), "hits[1].id: 'x1' is there twice"),
    "an empty id": (hit(id=""), "hits[0].id"),
    "an id of 10,000 characters": (hit(id="x" * 10_000), "hits[0].id"),
    "a collection that it has not declared": (hit(collection="secrets"), "hits[0].collection: 'secrets'"),
    "a collection that was not asked for": (hit(collection="other"), "hits[0].collection: 'other'"),
    "hits and no such collection": (field(status="no_collection"), "status: no_collection"),
    "hits and an error": (field(status="error", error="no"), "status: error"),
    "a status of its own": (field(status="great"), "status"),
    "a time below 0": (field(ms=-1.0), "ms: -1.0"),
    "a time of years": (field(ms=1e12), "ms: 1"),
    "a count below 0": (within("facets", 0, "values", 0, to=[99, -5]), "facets.price: a count: -5"),
    "a count of 0": (within("facets", 0, "values", 0, to=[99, 0]), "facets.price: a count: 0"),
    "a count of 10^18": (within("facets", 0, "values", 0, to=[99, 10**18]), "facets.price: a count"),
    "fewer than none without a value": (within("facets", 0, "missing", to=-1), "facets.price.missing"),
    "a value twice": (within("facets", 0, "values", to=[[1, 1], [1, 2]]), "facets.price: a value is there twice"),
    "a value of 10,000 characters": (within("facets", 1, "values", to=[["x" * 10_000, 1]]), "facets.brand: a text"),
    "more values than are counted": (
        within("facets", 0, "values", to=[[n, 1] for n in range(1001)]), "facets.price: 1001 values",
    ),
    "a facet that nobody asked for": (within("facets", 0, "field", to="secret"), "facets: 'secret'"),
    "a facet twice": (within("facets", 0, "field", to="brand"), "facets: 'brand' is there twice"),
    "collections left out that it has not": (field(left_out=["secrets"]), "left_out: 'secrets'"),
    "documents below 0": (within("explain", 0, "documents", to=-1), "explain.docs.documents"),
    "documents without end": (within("explain", 0, "documents", to=10**18), "explain.docs.documents"),
    "more scored than can be": (within("explain", 0, "scored", to=10**18), "explain.docs.scored"),
    "an epoch below 0": (within("explain", 0, "epoch", to=-1), "explain.docs.epoch"),
    "an explained collection that it has not": (within("explain", 0, "collection", to="secrets"), "explain: 'secrets'"),
    "a mark outside of the text": (
        within("hits", 0, "highlight", "spans", 0, to=["title", 0, 10**9]), "hits[0].highlight.spans[0]",
    ),
    "a snippet from nowhere": (within("hits", 0, "highlight", "at", to=-1), "hits[0].highlight.at"),
    "a weight above 1": (within("hits", 0, "explain", "alpha", to=2.0), "hits[0].explain.alpha"),
    "a length below 0": (within("hits", 0, "explain", "length", to=-1), "hits[0].explain.length"),
    "terms that the query has not": (
        within("hits", 0, "explain", "terms", to=[["tent", 1, 1, 1.0, 0.1, 0.1]] * 9), "hits[0].explain.terms: 9 of",
    ),
    "marks that nobody asked for": (hit(marks={"keys": ["gtin:gtin:1"]}), "hits[0].marks: nobody asked"),
    "an answer of another kind": (lambda _ask, _answer: [1, 2], "expected"),
    "nothing": (lambda _ask, _answer: None, "expected"),
}  # fmt: skip


def comparable(found: Searched, *, without: str = "") -> tuple[Any, ...]:
    """All that an answer says but for how long it took and of whom is left out."""
    hits = [replace(one, explain=None) for one in found.hits]
    reports = {one.node: (one.status, one.count, one.code) for one in found.nodes if one.node != without}
    return hits, found.facets, found.total, reports


@pytest.mark.parametrize("name", LIES)
async def test_a_lie_is_reported_for_its_node_alone_and_the_page_is_the_others(name: str) -> None:
    lie, why = LIES[name]
    found = await (await three(lie=lie)).search("tent rain", collections=["docs"], **EVERYTHING)
    alone = await (await three(lie=failing)).search("tent rain", collections=["docs"], **EVERYTHING)
    assert comparable(found, without="liar") == comparable(alone, without="liar")
    [report] = [one for one in found.nodes if one.node == "liar"]
    assert (report.status, report.code, report.count) == ("error", "bad_answer", 0)
    assert why in (report.error or "")
    assert len(report.error or "") < 600
    assert found.partial


@pytest.mark.parametrize("name", ["a score above 1000", "a score above 1", "an id twice", "thousands of hits"])
async def test_page_2_with_a_lying_node_is_page_2_without_it(name: str) -> None:
    lying, without = await three(lie=LIES[name][0]), await three(lie=failing)
    pages = await lying.pages("tent rain", [3] * 5, collections=["docs"])
    alone = await without.pages("tent rain", [3] * 5, collections=["docs"])
    assert len(pages) == 3
    assert [page.hits for page in pages] == [page.hits for page in alone]
    assert [page.cursor is None for page in pages] == [False, False, True]


async def test_a_node_that_lies_on_page_2_only_is_left_out_of_that_page() -> None:
    fleet = await three(lie=lambda ask, answer: answer if ask.after is None else hit(score=1.5)(ask, answer))
    first, second = (await fleet.pages("tent rain", [3] * 2, collections=["docs"]))[:2]
    assert not first.partial
    assert second.partial
    assert {one.node for one in second.hits} <= {"blog", "shop"}


@pytest.mark.parametrize(
    "lie",
    [hit(sort=[1, 2, 3]), hit(sort=["x" * 5000, 0.5]), hit(sort=[1, 0.123])],
    ids=["three values for two keys", "a long text", "a score of its own"],
)
async def test_a_lie_about_the_values_to_sort_by_is_reported(lie: Lie) -> None:
    keys = [Sort("price"), Sort("_score")]
    found = await (await three(lie=lie)).search("tent rain", collections=["docs"], sort=keys, limit=4)
    assert {one.node for one in found.hits} == {"blog", "shop"}
    assert [one.code for one in found.nodes] == [None, "bad_answer", None]


async def test_a_hit_below_the_threshold_is_a_lie() -> None:
    fleet = await three(lie=hit(score=0.3))
    found = await fleet.search("tent rain", collections=["docs"], threshold=0.4, limit=4)
    assert [one.code for one in found.nodes] == [None, "bad_answer", None]


@pytest.mark.parametrize(
    "options",
    [{}, {"dedup": "near"}, {"dedup": "exact", "explain": True}, {"sort": [Sort("price", "desc"), Sort("_score")]},
     {"facets": ["price"], "threshold": 0.2}, {"alpha": 0.0}, {"alpha": 1.0, "highlight": True}, {"limit": 100}],
    ids=str,
)  # fmt: skip
async def test_an_honest_answer_is_believed_however_it_was_asked(options: dict[str, Any]) -> None:
    found = await (await three()).search("tent", **options)
    assert {one.status for one in found.nodes} == {"ok"}
    assert found.hits


CHUNK = StatisticsChunk(incarnation="i1", epoch=1, documents=2, length=10, full=True, terms=pack_terms({"tent": 2}))


@pytest.mark.parametrize(
    ("lie", "named"),
    [
        ({"documents": -1}, "documents"), ({"documents": 10**18}, "documents"), ({"length": -1}, "length"),
        ({"length": 10**13}, "length"), ({"documents": 0, "length": 1}, "length"), ({"epoch": -1}, "epoch"),
        ({"epoch": 2**70}, "epoch"), ({"incarnation": "x" * 5000}, "incarnation"),
        ({"analyzer": "x" * 5000}, "analyzer"),
        ({"terms": b"no zlib"}, "terms"), ({"terms": pack_terms({"tent": -1})}, "terms"),
        ({"terms": pack_terms({"tent": 10**18})}, "terms"), ({"next_offset": -5}, "next_offset"),
        ({"centroids": b"\0", "sizes": [1]}, "centroids"), ({"sizes": [-1]}, "sizes"),
    ],
    ids=str,
)  # fmt: skip
def test_statistics_that_cannot_be_are_refused_and_what_was_known_stays(lie: dict[str, Any], named: str) -> None:
    table = StatisticsTable()
    assert table.apply(CHUNK)
    with pytest.raises(InvalidInput) as refused:
        table.apply(replace(CHUNK, **lie))
    assert refused.value.field == named
    assert (table.documents, table.length, table.df("tent")) == (2, 10, 2)


def test_a_transfer_of_statistics_that_never_ends_is_broken_off() -> None:
    table = StatisticsTable()
    empty = replace(CHUNK, terms=pack_terms({}))
    for offset in range(1, MAX_CHUNKS + 1):
        assert not table.apply(replace(empty, next_offset=offset, full=offset == 1))
    with pytest.raises(InvalidInput, match="more than 10000 chunks"):
        table.apply(replace(empty, next_offset=MAX_CHUNKS + 1, full=False))
