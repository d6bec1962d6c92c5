"""Each node's report says why it was asked or not, and how its search went."""

from __future__ import annotations

import msgspec
import pytest

from fleetfold_master.search.merge.explain_reports import MOST_BYTES, explained_reports
from fleetfold_master.search.shard_response import ShardResponse
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import (
    CollectionExplained,
    NodeExplained,
    NodeReport,
    Search,
    SearchAnswer,
    decode,
    encode,
)

SEARCHED = [CollectionExplained("products", 10, 10, True, 3), CollectionExplained("reviews", 500, 50, False, 2)]


def explain(
    report: NodeReport, asked: list[str] | None, answer: SearchAnswer | None = None, **epochs: int
) -> NodeExplained:
    asked_all = {} if asked is None else {report.node: asked}
    held = {(report.node, collection): epoch for collection, epoch in epochs.items()}
    response = ShardResponse(report, answer)
    made = explained_reports({report.node: report}, asked_all, {report.node: response}, held)[report.node]
    assert made.explain is not None
    return made.explain


def test_a_node_that_answered_says_where_the_time_went_and_what_it_scored() -> None:
    answer = SearchAnswer(ms=1.5, explain=SEARCHED)
    made = explain(NodeReport("shop", "ok", 3, 4.0), ["products", "reviews"], answer, products=3, reviews=2)
    assert (made.reason, made.inside_ms, made.way_ms) == ("asked: it has products, reviews", 1.5, 2.5)
    assert (made.documents, made.scored, made.exact, made.current) == (510, 60, False, True)
    assert [(one.epoch, one.master_epoch) for one in made.collections] == [(3, 3), (2, 2)]


@pytest.mark.parametrize("field", ["highlight", "explain"])
def test_a_switch_that_is_no_switch_is_refused_by_its_name(field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        decode(msgspec.json.encode({"query": "tent", field: "yes"}), Search)
    assert refused.value.field == field


def test_statistics_that_are_behind_or_missing_are_named() -> None:
    answer = SearchAnswer(ms=1.5, explain=SEARCHED)
    made = explain(NodeReport("shop", "ok", 3, 4.0), ["products", "reviews"], answer, products=1)
    assert made.current is False
    assert [one.master_epoch for one in made.collections] == [1, None]


def test_a_node_that_was_not_asked_says_why() -> None:
    assert explain(NodeReport("a", "no_collection"), None).reason == (
        "not asked: it has none of the collections searched"
    )
    assert explain(NodeReport("a", "not_selected", error="the node is inactive"), None).reason == (
        "not asked: the node is inactive"
    )


def test_a_node_without_an_answer_was_asked_all_the_same() -> None:
    made = explain(NodeReport("a", "timeout", error="no answer"), ["docs"])
    assert made == NodeExplained("asked: it has docs")


def test_an_older_node_explains_nothing_but_its_time() -> None:
    made = explain(NodeReport("a", "ok", 1, 3.0), ["docs"], SearchAnswer(ms=1.0))
    assert (made.inside_ms, made.way_ms, made.scored, made.current) == (1.0, 2.0, None, None)


def test_of_many_collections_a_few_are_named() -> None:
    assert explain(NodeReport("a", "timeout"), [f"c{number}" for number in range(30)]).reason.endswith("and 22 more")


def test_explanations_of_a_large_fleet_stay_small_and_keep_the_sums() -> None:
    answer = SearchAnswer(ms=1.0, explain=[CollectionExplained(f"c{number}", 5, 5, True, 1) for number in range(50)])
    reports = {f"n{number}": NodeReport(f"n{number}", "ok", 1, 2.0) for number in range(64)}
    responses = {name: ShardResponse(report, answer) for name, report in reports.items()}
    made = explained_reports(reports, {name: ["c0"] for name in reports}, responses, {})
    assert sum(len(encode(report)) for report in made.values()) < MOST_BYTES
    assert {report.explain.documents for report in made.values() if report.explain} == {250}
