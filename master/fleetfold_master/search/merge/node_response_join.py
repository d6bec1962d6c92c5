"""The join of two responses of one node, which was asked twice: for its own collections and in place of others."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from fleetfold_master.search.merge.merge import HitOrder, last_place
from fleetfold_master.search.shard_response import ShardResponse
from fleetfold_shared.hit_truncation import is_cut_short
from fleetfold_shared.messages import FacetCounts, FieldKind, NodeReport, ScoredDocument, SearchAnswer, SearchRequest
from fleetfold_shared.query.facets import FacetCounter, fitting_counts
from fleetfold_shared.query.field_notes import merged_kinds
from fleetfold_shared.query.sorting import sorted_stably

__all__ = ["joined_response"]


def joined_response(one: ShardResponse, other: ShardResponse, ask: SearchRequest) -> ShardResponse:
    """Join two responses of one node: its top k of both. It is partial if one of them is missing."""
    (report, answer), (more_report, more) = one, other
    ms = max(report.ms or 0.0, more_report.ms or 0.0)
    if answer is None or more is None:
        if answer is None:
            report, answer, more_report = more_report, more, report
        if answer is None:
            return ShardResponse(report)
        return ShardResponse(replace(report, status="partial", ms=ms, error=more_report.error), answer)
    hits = sorted([*answer.hits, *more.hits], key=lambda hit: (-hit.score, hit.collection, hit.id))
    if ask.sort:
        hits = sorted_stably(hits, ask.sort, lambda hit: hit.sort)
    elif ask.dedup == "off" and not report.rescored:
        hits = _known(hits, [last_place("", each) for each in (answer, more) if is_cut_short(each, ask.k)])
    whole = replace(
        answer, hits=hits[: ask.k], ms=max(answer.ms, more.ms), exact=answer.exact and more.exact,
        more=answer.more or more.more or len(hits) > ask.k, explain=[*answer.explain, *more.explain],
        facets=_facets(ask.facets, (answer, more)), status=_worse(answer, more), error=answer.error or more.error,
        kinds=_kinds(answer, more),
    )  # fmt: skip
    return ShardResponse(
        NodeReport(report.node, whole.status, len(whole.hits), ms, whole.error, exact=whole.exact), whole
    )


def _kinds(one: SearchAnswer, other: SearchAnswer) -> dict[str, list[FieldKind]]:
    fields = [*one.kinds, *other.kinds]
    return {field: sorted(kinds) for field, kinds in merged_kinds(fields, (one, other)).items()}


def _known(hits: list[ScoredDocument], last: Sequence[HitOrder]) -> list[ScoredDocument]:
    """The hits down to the point where none can be missing in between."""
    return [hit for hit in hits if not last or (-hit.score, "", hit.collection, hit.id) <= min(last)]


def _worse(one: SearchAnswer, other: SearchAnswer) -> str:
    return "ok" if one.status == other.status == "ok" else "partial"


def _facets(fields: Sequence[str], answers: Sequence[SearchAnswer]) -> list[FacetCounts]:
    counters = [(name, FacetCounter()) for name in fields]
    cut = set[str]()
    for name, counter in counters:
        for counts in (counts for answer in answers for counts in answer.facets if counts.field == name):
            counter.add_missing(counts.missing)
            for value in counts.values:
                counter.add(value.value, value.count)
            if counts.cut:
                cut.add(name)
    return [replace(counts, cut=counts.cut or counts.field in cut) for counts in fitting_counts(counters)]
