"""Words against meaning, collection by collection: each declares its own weight, and a search may override all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.text.scoring import check_alpha
from support.paging import PagedNodes, placed
from support.search import document, reference_scores

TEXTS = ["a light tent", "light rain", "tent tent rain", "stove", "a stove for rain", "light", "trail and tent"]
QUERY = "light tent"

alphas = st.one_of(st.none(), st.floats(0, 1))


async def fleet(shop: float | None, blog: float | None) -> PagedNodes:
    """Both hold the same texts under ids of their own."""
    paged_nodes = await PagedNodes.holding(
        {
            "shop": {"products": [document(f"p{i}", text) for i, text in enumerate(TEXTS)]},
            "blog": {"posts": [document(f"b{i}", text) for i, text in enumerate(TEXTS)]},
        }
    )
    paged_nodes.nodes["shop"]["products"].alpha, paged_nodes.nodes["blog"]["posts"].alpha = shop, blog
    return paged_nodes


def one_index(shop: float, blog: float) -> list[tuple[str, float]]:
    """All documents in one index which weighs those of each collection as that declares; ties by node and id."""
    everything = [document(f"{prefix}{i}", text) for prefix in "pb" for i, text in enumerate(TEXTS)]
    by_alpha = {alpha: reference_scores(QUERY, everything, alpha) for alpha in (shop, blog)}
    theirs = {
        **{i: s for i, s in by_alpha[shop].items() if i[0] == "p"},
        **{i: s for i, s in by_alpha[blog].items() if i[0] == "b"},
    }
    return sorted(theirs.items(), key=lambda one: (-round(one[1], 12), one[0]))


@given(alphas, alphas)
async def test_collections_of_unlike_weights_rank_as_one_index_with_these_weights(
    shop: float | None, blog: float | None
) -> None:
    found = await (await fleet(shop, blog)).search(QUERY, limit=100)
    wanted = one_index(0.7 if shop is None else shop, 0.7 if blog is None else blog)
    assert {hit.id: pytest.approx(hit.score, abs=1e-9) for hit in found.hits} == dict(wanted)
    assert [hit.score for hit in found.hits] == pytest.approx([score for _, score in wanted], abs=1e-9)


@given(alphas, st.floats(0, 1))
async def test_the_searchs_own_weight_goes_before_what_collections_declare(declared: float | None, own: float) -> None:
    overridden = await (await fleet(declared, 0.25)).search(QUERY, limit=100, alpha=own)
    assert {hit.id: pytest.approx(hit.score, abs=1e-9) for hit in overridden.hits} == dict(one_index(own, own))


@given(alphas, alphas, st.lists(st.integers(1, 5), min_size=20, max_size=20))
async def test_pages_of_unlike_weights_never_overlap_or_skip(
    shop: float | None, blog: float | None, sizes: list[int]
) -> None:
    paged_nodes = await fleet(shop, blog)
    whole = await paged_nodes.search(QUERY, limit=100)
    pages = await paged_nodes.pages(QUERY, sizes)
    assert placed(pages) == placed([whole])
    assert not any(page.changed for page in pages)


async def test_a_weight_that_changes_between_two_pages_is_said() -> None:
    paged_nodes = await fleet(0.5, None)
    first = await paged_nodes.search(QUERY, limit=2)
    same = await paged_nodes.search(QUERY, limit=2, cursor=first.cursor)
    paged_nodes.nodes["shop"]["products"].alpha = 0.6
    other = await paged_nodes.search(QUERY, limit=2, cursor=first.cursor)
    assert (same.changed, other.changed) == (False, True)


async def test_a_cursor_belongs_to_the_weight_it_was_asked_with() -> None:
    paged_nodes = await fleet(None, None)
    first = await paged_nodes.search(QUERY, limit=2, alpha=0.5)
    with pytest.raises(InvalidInput, match="another question"):
        await paged_nodes.search(QUERY, limit=2, alpha=0.6, cursor=first.cursor)


async def test_an_explanation_names_the_weight_that_was_used() -> None:
    paged_nodes = await fleet(0.25, None)
    explained = {hit.node: hit.explain for hit in (await paged_nodes.search(QUERY, limit=100, explain=True)).hits}
    assert {node: one and one.alpha for node, one in explained.items()} == {"shop": 0.25, "blog": 0.7}


@pytest.mark.parametrize("alpha", [-0.1, 1.1, float("nan")])
def test_a_weight_out_of_bounds_is_refused_by_its_field(alpha: float) -> None:
    with pytest.raises(InvalidInput, match=r"alpha: .* is outside 0-1"):
        check_alpha(alpha)
