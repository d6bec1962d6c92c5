"""Highlights and explanations give way where a message has no room for them, and stay true to what is left."""

from __future__ import annotations

import msgspec

from fleetfold_shared.hit_truncation import MAX_ANSWER_BYTES, cut_to_fit
from fleetfold_shared.messages import Parts, ScoredDocument, Term
from fleetfold_shared.text.highlighting import highlighted
from fleetfold_shared.text.score_explanation import explained

TERMS = [Term("\U0001f600" * 60 + str(number), 1, 2.0) for number in range(40)]
IDFS = {"tent": 2.0}


def hit(number: int, title: str, content: str, metadata: int = 0) -> ScoredDocument:
    return ScoredDocument(
        "docs", str(number), 1.0, Parts(0.5, 0.5), title, content, {"note": "\x00" * metadata},
        highlighted(title, content, IDFS), explained(TERMS, 10.0, 80.0, 0.7, 0.5, []),
    )  # fmt: skip


def size(found: list[ScoredDocument]) -> int:
    return sum(len(msgspec.json.encode(one)) for one in found)


def test_the_worst_hits_fit_and_none_is_lost() -> None:
    found = [hit(number, "tent \x00" * 400, "tent \x00\x01" * 4000, 3000) for number in range(100)]
    fitted = cut_to_fit(found)
    assert size(fitted) <= MAX_ANSWER_BYTES
    assert [one.id for one in fitted] == [one.id for one in found]


def test_spans_are_over_the_text_as_it_is_returned() -> None:
    found = [hit(number, "a tent", "x" * 30_000 + " tent " * 4) for number in range(100)]
    before, after = found[0], cut_to_fit(found)[0]
    assert before.highlight is not None
    assert after.highlight is not None
    assert len(after.content) < len(before.content)
    assert any(span.field == "content" for span in before.highlight.spans)
    assert all(span.end <= len(after.content) for span in after.highlight.spans if span.field == "content")
    assert after.highlight.snippet == before.highlight.snippet
    assert "tent" in after.highlight.snippet
