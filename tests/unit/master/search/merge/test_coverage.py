"""The share of what was expected that has been searched."""

from __future__ import annotations

import pytest

from fleetfold_master.search.merge.coverage import coverage, part_of, refuse_missing
from fleetfold_shared.errors import Unavailable
from fleetfold_shared.messages import NodeReport, NodeStatus


def report(node: str, status: NodeStatus, expected: float = 0.5, replica: str | None = None) -> NodeReport:
    return NodeReport(node, status, expected=expected, replica=replica)


def test_nothing_is_missing_from_a_search_that_all_have_answered() -> None:
    assert coverage([report("a", "ok"), report("b", "ok")], {}, ()) == 1.0


@pytest.mark.parametrize("status", ["timeout", "open", "error", "unreachable"])
def test_who_is_missing_costs_its_share(status: NodeStatus) -> None:
    assert coverage([report("a", "ok", 0.7), report("b", status, 0.3)], {}, {"b"}) == pytest.approx(0.7)


@pytest.mark.parametrize("status", ["not_selected", "no_collection"])
def test_who_was_not_to_be_asked_does_not_count(status: NodeStatus) -> None:
    assert coverage([report("a", "ok", 0.4), report("b", status, 0.6)], {}, ()) == 1.0


def test_a_partial_node_counts_its_part() -> None:
    assert coverage([report("a", "ok"), report("b", "partial")], {"b": 0.5}, {"b"}) == pytest.approx(0.75)


def test_who_has_been_stood_in_for_is_not_missing() -> None:
    reports = [report("a", "timeout", replica="b"), report("b", "ok", 0.5)]
    assert coverage(reports, {}, ()) == 1.0


def test_without_anybody_to_ask_all_is_covered_and_with_only_the_missing_nothing() -> None:
    assert coverage([], {}, ()) == 1.0
    assert coverage([report("a", "unreachable", 0.0)], {}, {"a"}) == 0.0


def test_the_part_of_a_node_is_that_of_its_documents() -> None:
    assert part_of({"x": 30, "y": 10}, ["y"]) == pytest.approx(0.75)
    assert part_of({"x": 0, "y": 0}, ["y"]) == pytest.approx(0.5)


def test_an_answer_that_lacks_a_node_is_refused_by_its_name() -> None:
    with pytest.raises(Unavailable, match="the answer lacks b \\(timeout\\)"):
        refuse_missing([report("b", "timeout")])


def test_an_answer_that_lacks_nobody_is_not_refused() -> None:
    refuse_missing([])
