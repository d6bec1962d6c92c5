"""The requests to the nodes: the same for most, and an individual one for nodes that share replicas."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from msgspec.structs import replace

from fleetfold_master.search.merge import Place as Standing
from fleetfold_master.search.merge import last_place
from fleetfold_master.search.replica_assignment import Key, ReplicaAssignment
from fleetfold_master.search.shard_response import Came
from fleetfold_shared.messages import FacetCounts, FieldKind, NodeReport, Place, ScoredDocument, SearchAnswer, SearchAsk
from fleetfold_shared.query.facets import Tally, fitting_counts
from fleetfold_shared.query.field_notes import merged_kinds
from fleetfold_shared.query.sorting import sorted_stably
from fleetfold_shared.truncation import is_cut_short

__all__ = ["Part", "joined", "parts", "stand_in_parts"]

Part = tuple[list[str], SearchAsk]
"""Nodes, and the request to all of them."""


def parts(holding: ReplicaAssignment, ask: SearchAsk, nodes: Collection[str], pins: Collection[str] = ()) -> list[Part]:
    """The requests for `nodes`. One goes to all nodes that are asked for all their searched collections.

    `pins` are the holders that answered the previous page: a holder that was not among them continues from its own
    position.
    """
    together: list[str] = []
    alone: list[Part] = []
    for node, names in holding.asked.items():
        if node not in nodes:
            continue
        new = _newcomers(holding, node, pins) if ask.after is not None and pins else {}
        old = [name for name in names if name not in new]
        alone += [([node], _behind(ask, pin, (node, name))) for name, pin in new.items()]
        if old == holding.asked_all[node]:
            together.append(node)
        elif old:
            alone.append(([node], replace(ask, collections=old)))
    return [(together, ask), *alone] if together else alone


def stand_in_parts(
    holding: ReplicaAssignment, servers: Mapping[str, Key], ask: SearchAsk, pins: Collection[str]
) -> list[Part]:
    """The requests for stand-ins that replace the holders in `holding` for some groups."""
    found = dict[str, list[str]]()
    alone: list[Part] = []
    for group, (node, name) in servers.items():
        before = _pinned(holding, group, pins) or holding.servers[group]
        if ask.after is not None and before != (node, name):
            alone.append(([node], _behind(ask, before, (node, name))))
        else:
            found.setdefault(node, []).append(name)
    return [*(([node], replace(ask, collections=names)) for node, names in found.items()), *alone]


def joined(one: Came, other: Came, ask: SearchAsk) -> Came:
    """Join two responses of one node: its top k of both. It is partial if one of them is missing."""
    (report, answer), (more_report, more) = one, other
    ms = max(report.ms or 0.0, more_report.ms or 0.0)
    if answer is None or more is None:
        if answer is None:
            report, answer, more_report = more_report, more, report
        if answer is None:
            return report, None
        return replace(report, status="partial", ms=ms, error=more_report.error), answer
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
    return NodeReport(report.node, whole.status, len(whole.hits), ms, whole.error, exact=whole.exact), whole


def _kinds(one: SearchAnswer, other: SearchAnswer) -> dict[str, list[FieldKind]]:
    fields = [*one.kinds, *other.kinds]
    return {field: sorted(kinds) for field, kinds in merged_kinds(fields, (one, other)).items()}


def _known(hits: list[ScoredDocument], last: Sequence[Standing]) -> list[ScoredDocument]:
    """The hits down to the point where none can be missing in between."""
    return [hit for hit in hits if not last or (-hit.score, "", hit.collection, hit.id) <= min(last)]


def _worse(one: SearchAnswer, other: SearchAnswer) -> str:
    return "ok" if one.status == other.status == "ok" else "partial"


def _facets(fields: Sequence[str], answers: Sequence[SearchAnswer]) -> list[FacetCounts]:
    tallies = [(name, Tally()) for name in fields]
    cut = set[str]()
    for name, tally in tallies:
        for counts in (counts for answer in answers for counts in answer.facets if counts.field == name):
            tally.missing += counts.missing
            for value in counts.values:
                tally.add(value.value, value.count)
            if counts.cut:
                cut.add(name)
    return [replace(counts, cut=counts.cut or counts.field in cut) for counts in fitting_counts(tallies)]


def _newcomers(holding: ReplicaAssignment, node: str, pins: Collection[str]) -> dict[str, Key]:
    """The collections of `node` for which another holder was asked on the previous page, with that holder."""
    found = dict[str, Key]()
    for group, (server, name) in holding.servers.items():
        pinned = _pinned(holding, group, pins)
        if server == node and pinned is not None and pinned != (server, name):
            found[name] = pinned
    return found


def _pinned(holding: ReplicaAssignment, group: str, pins: Collection[str]) -> Key | None:
    return next((key for key, its in holding.groups.items() if its == group and f"{key[0]}/{key[1]}" in pins), None)


def _behind(ask: SearchAsk, before: Key, now: Key) -> SearchAsk:
    """The request for a holder that continues from another one's position: equal scores are ordered by node."""
    place = ask.after
    assert place is not None
    here = (place.node, place.collection)
    if before == here:
        place = Place(place.score, *now, place.id)
    else:  # all documents of that score were on earlier pages, or none
        place = Place(place.score, "~" if before < here else "", "", "")
    return replace(ask, collections=[now[1]], after=place)
