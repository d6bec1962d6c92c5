from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fleetfold_child.index.changes import Change, Patch, Put, Remove, resolve
from fleetfold_shared.errors import NotFound
from support.search import document

ids = st.sampled_from("abc")
puts = st.builds(lambda one, content: Put(document(one, content)), ids, st.sampled_from(["x", "y"]))
patches = st.builds(lambda one, content: Patch(one, {"text": content}), ids, st.sampled_from(["x", "z"]))
changes = st.lists(st.one_of(puts, patches, st.builds(Remove, ids)), max_size=12)


@given(changes, changes)
def test_a_batch_comes_to_what_its_changes_do_one_by_one(first: list[Change], second: list[Change]) -> None:
    together, apart = {}, {}
    for batch in (first, second):
        play(together, batch)
        for change in batch:
            play(apart, [change])
    assert together == apart


def play(store: dict[str, object], batch: list[Change]) -> None:
    documents = dict(store)
    result = resolve(batch, {i: d.hash for i, d in documents.items()}, documents, "docs")  # type: ignore[attr-defined, arg-type]
    assert len(result.results) == len(batch)
    assert len({d.id for d in result.upserts} | set(result.removed)) == len(result.upserts) + len(result.removed)
    assert all(store.get(d.id) != d for d in result.upserts)
    assert all(one in store for one in result.removed)
    store.update({d.id: d for d in result.upserts})
    for one in result.removed:
        del store[one]


def test_a_patch_of_an_unknown_id_is_refused_and_the_others_stand() -> None:
    result = resolve([Put(document("a", "x")), Patch("b", {"text": "y"}), Patch("a", {"text": "z"})], {}, {}, "docs")
    assert isinstance(result.results[1], NotFound)
    assert [d.content for d in result.upserts] == ["z"]


def test_what_is_the_same_is_not_written() -> None:
    one = document("a", "x")
    result = resolve([Put(one), Remove("gone")], {"a": one.hash}, {}, "docs")
    assert result.results == [False, False]
    assert not result.upserts
    assert not result.removed
