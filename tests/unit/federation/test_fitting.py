"""Answers fit into a message, and no hit is lost for it."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from fleetfold_shared.fitting import MAX_ANSWER_BYTES, fitting
from fleetfold_shared.messages import Parts, ScoredDocument

pieces = st.sampled_from(["a", "é", "\x00", '"', "\U0001f600", "漢", "tent "])
texts = st.builds(lambda piece, times: piece * times, pieces, st.sampled_from([0, 10, 3_000, 60_000, 900_000]))
metadata = st.builds(
    lambda piece, times: {"note": piece * times} if times else {}, pieces, st.sampled_from([0, 5, 20_000, 500_000])
)
hits = st.lists(
    st.builds(
        lambda number, title, content, meta: ScoredDocument(
            "docs", f"id-{number}", 1.0 / (number + 1), Parts(1.0, 0.5), title, content, meta
        ),
        st.integers(0, 1000), texts, texts, metadata,
    ),
    max_size=100,
)  # fmt: skip


def size(found: list[ScoredDocument]) -> int:
    return sum(len(msgspec.json.encode(one)) for one in found)


@given(hits)
def test_hits_fit_and_none_is_dropped_or_moved(found: list[ScoredDocument]) -> None:
    fitted = fitting(found)
    assert size(fitted) <= MAX_ANSWER_BYTES
    assert [(one.id, one.score, one.parts) for one in fitted] == [(one.id, one.score, one.parts) for one in found]


def test_what_fits_is_left_as_it_is() -> None:
    found = [ScoredDocument("docs", "1", 1.0, Parts(1.0, 0.5), "a title", "word " * 1000, {"price": 9})]
    assert fitting(found) == found


def test_a_long_content_is_shortened_before_anything_else_is() -> None:
    short = ScoredDocument("docs", "1", 1.0, Parts(1.0, 0.5), "short", "a few words", {"price": 9})
    long = ScoredDocument("docs", "2", 0.9, Parts(1.0, 0.5), "long", "word " * 400_000, {"price": 8})
    first, second = fitting([short, long])
    assert first == short
    assert second.content.endswith("…")
    assert long.content.startswith(second.content.removesuffix(" …"))
    assert (second.title, second.metadata) == ("long", {"price": 8})
