"""The merge is what sorting everything would give."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fleetfold_master.search.merge.merge import merge
from fleetfold_shared.messages import Parts, ScoredDocument


def scored(collection: str, identity: str, score: float) -> ScoredDocument:
    return ScoredDocument(collection, identity, score, Parts(score, 0.5), "title", "content", {"n": 1})


documents = st.builds(
    scored, st.sampled_from(["a", "b"]), st.sampled_from("uvwxyz"), st.sampled_from([0.0, 0.25, 0.5, 1.0, 1.5])
)
answers = st.dictionaries(st.sampled_from(["shop", "blog", "crm"]), st.lists(documents, max_size=8))


@given(answers, st.integers(1, 30))
def test_the_merge_equals_sorting_all_hits_by_score_node_collection_and_id(
    came: dict[str, list[ScoredDocument]], limit: int
) -> None:
    everything = [(-doc.score, node, doc.collection, doc.id) for node, docs in came.items() for doc in docs]
    merged = [(-hit.score, hit.node, hit.collection, hit.id) for hit in merge(came, limit)]
    assert merged == sorted(everything)[:limit]


@given(answers, st.integers(1, 30), st.randoms(use_true_random=False))
def test_the_order_in_which_nodes_answer_does_not_matter(
    came: dict[str, list[ScoredDocument]], limit: int, chance: object
) -> None:
    names = list(came)
    chance.shuffle(names)  # type: ignore[attr-defined]
    assert merge({name: came[name] for name in names}, limit) == merge(came, limit)


def test_equals_keep_the_order_in_which_their_node_gave_them() -> None:
    twins = [ScoredDocument("a", "1", 1.0, Parts(1.0, 0.0), title) for title in ("first", "second")]
    assert [hit.title for hit in merge({"shop": twins}, 2)] == ["first", "second"]


def test_a_hit_holds_all_that_its_node_said_of_it() -> None:
    [hit] = merge({"shop": [scored("a", "1", 1.0)]}, 10)
    assert (hit.node, hit.collection, hit.id, hit.score) == ("shop", "a", "1", 1.0)
    assert hit.parts == {"bm25": 1.0, "cosine": 0.5}
    assert (hit.title, hit.content, hit.metadata) == ("title", "content", {"n": 1})


def test_nothing_merges_into_nothing() -> None:
    assert merge({}, 10) == []
