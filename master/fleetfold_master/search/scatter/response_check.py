"""The check of a shard response against its request and the node's declared collections. Pure.

Nothing of an invalid response is used: the node is reported as `error` with the code `bad_answer`, and the page,
its cursor, facets and coverage are made without it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from fleetfold_master.search.scatter.hit_filter_check import filter_verdict
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.hit_cutting import json_bytes
from fleetfold_shared.hit_truncation import MAX_ANSWER_BYTES, MAX_HIT_BYTES, is_cut_short
from fleetfold_shared.messages import (
    CollectionExplained,
    Explained,
    FacetCounts,
    Filter,
    Fingerprints,
    Highlight,
    ScoredDocument,
    SearchAnswer,
    SearchRequest,
)
from fleetfold_shared.query.facets import MAX_COUNTED
from fleetfold_shared.query.field_notes import fields_asked
from fleetfold_shared.query.sorting import SCORE
from fleetfold_shared.query.value_normalisation import MAX_VALUE_CHARS
from fleetfold_shared.text.term_statistics import MAX_DOCUMENTS

__all__ = ["MAX_SCORE", "check_answer"]

MAX_SCORE = 1.0 + 1e-6
"""A score is a mean of a BM25 over its divisor and a cosine, each at most 1 but for float32 rounding."""

_MOST_ID_CHARS = 512
_DIGEST_BYTES = 16
_MOST_MS = 600_000.0
_MOST_EPOCH = 2**63
_MOST_TERMS = 1_000_000_000  # of a document


def check_answer(answer: SearchAnswer, ask: SearchRequest, declared: Collection[str]) -> None:
    """Raise `InvalidInput`, naming the field that a correct node would not send for `ask`: `hits[3].score`.

    `declared` are the node's collections. An error response must have neither hits nor counts.
    """
    if answer.status in {"error", "no_collection"} and (answer.hits or answer.facets or answer.explain):
        raise _refused("status", f"{answer.status}, with hits or counts")
    allowed = set(ask.collections).intersection(declared) if ask.collections else declared
    _within("ms", answer.ms, 0.0, _MOST_MS)
    _check_hits(answer.hits, ask, allowed)
    if ask.filter is not None:
        _check_filter(answer.hits, ask.filter)
    if is_cut_short(answer, ask.k) and ask.query is None:
        _check_fullness(answer.hits)
    if answer.facets:
        _check_facets(answer.facets, ask)
    if answer.left_out:
        _check_names("left_out", answer.left_out, allowed)
    if answer.kinds:
        _check_names("kinds", answer.kinds, fields_asked(ask.filter, ask.sort, ask.facets))
    if answer.explain:
        _check_explain(answer.explain, ask, allowed)


def _check_hits(hits: list[ScoredDocument], ask: SearchRequest, allowed: Collection[str]) -> None:
    if len(hits) > ask.k:
        raise _refused("hits", f"{len(hits)} of them, {ask.k} were asked for")
    seen = set[tuple[str, str]]()
    least = ask.threshold or 0.0
    for place, hit in enumerate(hits):
        key, (bm25, cosine) = (hit.collection, hit.id), (hit.parts.bm25, hit.parts.cosine)
        if not (
            0 < hit.score <= MAX_SCORE and hit.score >= least and 0 <= bm25 <= MAX_SCORE and 0 <= cosine <= MAX_SCORE
            and hit.collection in allowed and 0 < len(hit.id) <= _MOST_ID_CHARS and key not in seen
        ):  # fmt: skip
            raise _wrong_hit(hit, ask, allowed, f"hits[{place}]")
        seen.add(key)
        if ask.sort:
            _check_sort(hit, ask, f"hits[{place}]")
        if hit.marks is not None or hit.highlight is not None or hit.explain is not None:
            _check_extras(hit, ask, f"hits[{place}]")


def _check_filter(hits: list[ScoredDocument], given: Filter) -> None:
    verdict = filter_verdict(given)
    for place, hit in enumerate(hits):
        if verdict(hit) is False:
            raise _refused(f"hits[{place}]", f"{hit.id[:80]!r} does not match the filter")


def _check_fullness(hits: list[ScoredDocument]) -> None:
    """A response with fewer hits than requested and more behind them must give a reason, because it shortens the
    page."""
    size = sum(map(json_bytes, hits))
    if size < MAX_ANSWER_BYTES - MAX_HIT_BYTES:
        raise _refused("more", f"it has more hits, and gives {len(hits)} of {size} bytes, though there is room")


def _wrong_hit(hit: ScoredDocument, ask: SearchRequest, allowed: Collection[str], path: str) -> InvalidInput:
    """What is wrong with a hit: its position, else its score, else a repetition."""
    if hit.collection not in allowed:
        return _refused(f"{path}.collection", f"{hit.collection[:80]!r} was not asked for, or is none of its own")
    if not 0 < len(hit.id) <= _MOST_ID_CHARS:
        return _refused(f"{path}.id", f"it has {len(hit.id)} characters, not 1 to {_MOST_ID_CHARS}")
    if not 0 < hit.score <= MAX_SCORE:
        return _refused(f"{path}.score", f"{hit.score} is outside (0, 1]")
    if ask.threshold is not None and hit.score < ask.threshold:
        return _refused(f"{path}.score", f"{hit.score} is below the threshold {ask.threshold}")
    for name, part in (("bm25", hit.parts.bm25), ("cosine", hit.parts.cosine)):
        if not 0 <= part <= MAX_SCORE:
            return _refused(f"{path}.parts.{name}", f"{part} is outside 0 to 1")
    return _refused(f"{path}.id", f"{hit.id[:80]!r} is there twice")


def _check_extras(hit: ScoredDocument, ask: SearchRequest, path: str) -> None:
    if hit.marks is not None:
        _check_marks(hit.marks, ask, f"{path}.marks")
    if hit.highlight is not None:
        _check_highlight(hit, hit.highlight, ask, f"{path}.highlight")
    if hit.explain is not None:
        _check_explained(hit.explain, ask, f"{path}.explain")


def _check_sort(hit: ScoredDocument, ask: SearchRequest, path: str) -> None:
    """A node version without sorting sends no values; its documents come last."""
    if hit.sort and len(hit.sort) != len(ask.sort):
        raise _refused(f"{path}.sort", f"{len(hit.sort)} values for {len(ask.sort)} keys")
    for key, value in zip(ask.sort, hit.sort, strict=False):
        if isinstance(value, str) and len(value) > MAX_VALUE_CHARS:
            raise _refused(f"{path}.sort", f"a text of {len(value)} characters, {MAX_VALUE_CHARS} are compared")
        if key.field == SCORE and ask.query is None and value != hit.score:
            raise _refused(f"{path}.sort", f"{value!r} for a score of {hit.score}")


def _check_marks(marks: Fingerprints, ask: SearchRequest, path: str) -> None:
    if ask.dedup == "off":
        raise _refused(path, "nobody asked for them")
    if marks.digest is not None and len(marks.digest) != _DIGEST_BYTES:
        raise _refused(f"{path}.digest", f"{len(marks.digest)} bytes, not {_DIGEST_BYTES}")


def _check_highlight(hit: ScoredDocument, highlight: Highlight, ask: SearchRequest, path: str) -> None:
    if not ask.highlight:
        raise _refused(path, "nobody asked for it")
    _within(f"{path}.at", highlight.at, 0, _MOST_TERMS)
    sizes = {"title": len(hit.title), "content": len(hit.content), "snippet": len(highlight.snippet)}
    for place, span in enumerate(highlight.spans):
        if not 0 <= span.start < span.end <= sizes[span.field]:
            raise _refused(f"{path}.spans[{place}]", f"{span.start} to {span.end} is not within the {span.field}")


def _check_explained(explained: Explained, ask: SearchRequest, path: str) -> None:
    if not ask.explain:
        raise _refused(path, "nobody asked for it")
    if len(explained.terms) > len(ask.terms) and ask.query is None:
        raise _refused(f"{path}.terms", f"{len(explained.terms)} of them, the query has {len(ask.terms)}")
    for name in ("bm25", "divisor", "avgdl", "others_bm25"):
        _within(f"{path}.{name}", getattr(explained, name), 0.0, float(_MOST_TERMS))
    _within(f"{path}.alpha", explained.alpha, 0.0, 1.0)
    _within(f"{path}.cosine", explained.cosine, 0.0, MAX_SCORE)
    for name, most in (("length", _MOST_TERMS), ("others", _MOST_TERMS)):
        _within(f"{path}.{name}", getattr(explained, name), 0, most)
    for place, term in enumerate(explained.terms):
        if min(term.qtf, term.tf, term.idf, term.bm25, term.share) < 0:
            raise _refused(f"{path}.terms[{place}]", "a number below 0")


def _check_facets(facets: list[FacetCounts], ask: SearchRequest) -> None:
    _check_names("facets", [one.field for one in facets], ask.facets)
    for one in facets:
        path = f"facets.{one.field[:80]}"
        _within(f"{path}.missing", one.missing, 0, MAX_DOCUMENTS)
        if len(one.values) > MAX_COUNTED:
            raise _refused(path, f"{len(one.values)} values, {MAX_COUNTED} are counted")
        if len({(value.value.__class__, value.value) for value in one.values}) < len(one.values):
            raise _refused(path, "a value is there twice")
        for value in one.values:
            _within(f"{path}: a count", value.count, 1, MAX_DOCUMENTS)
            if isinstance(value.value, str) and len(value.value) > MAX_VALUE_CHARS:
                raise _refused(path, f"a text of {len(value.value)} characters, {MAX_VALUE_CHARS} are counted")


def _check_explain(explain: list[CollectionExplained], ask: SearchRequest, allowed: Collection[str]) -> None:
    if explain and not ask.explain:
        raise _refused("explain", "nobody asked for it")
    _check_names("explain", [one.collection for one in explain], allowed)
    for one in explain:
        path = f"explain.{one.collection}"
        _within(f"{path}.documents", one.documents, 0, MAX_DOCUMENTS)
        _within(f"{path}.scored", one.scored, 0, MAX_DOCUMENTS)
        _within(f"{path}.epoch", one.epoch, 0, _MOST_EPOCH)


def _check_names(path: str, names: Iterable[str], allowed: Collection[str]) -> None:
    seen = set[str]()
    for name in names:
        if name not in allowed:
            raise _refused(path, f"{name[:80]!r} was not asked for")
        if name in seen:
            raise _refused(path, f"{name[:80]!r} is there twice")
        seen.add(name)


def _within(path: str, number: float, least: float, most: float) -> None:
    if not least <= number <= most:
        raise _refused(path, f"{number} is outside {least:g} to {most:g}")


def _refused(path: str, why: str) -> InvalidInput:
    return InvalidInput(f"{path}: {why}", field=path)
