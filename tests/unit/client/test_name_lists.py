"""A name in the place of a list of names is that name, and not one for each of its letters."""

from __future__ import annotations

import pytest

from fleetfold.child import Child
from fleetfold.name_lists import Auto, SearchedNodes, listed, which
from fleetfold.search_request import SearchOptions
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import AnswerQuestion, QualityReportRequest, Run, Search, Sort, Submit
from support.recording import asked


async def test_search_takes_a_name_wherever_it_takes_a_list() -> None:
    more = SearchOptions(facets="price", context="chair")
    ask = await asked(
        lambda ann: ann.search("tent", nodes="shop", collections="docs", sort=Sort("price"), options=more), Search
    )
    assert (ask.nodes, ask.collections, ask.facets, ask.context) == (["shop"], ["docs"], ["price"], ["chair"])
    assert ask.sort == [Sort("price")]
    ask = await asked(lambda ann: ann.search("tent", nodes=Auto("shop")), Search)
    assert (ask.nodes, ask.among) == ("auto", ["shop"])


async def test_ask_run_and_quality_take_a_name_for_a_list() -> None:
    question = await asked(lambda ann: ann.ask("why?", nodes="shop", collections="docs").text(), AnswerQuestion)
    assert (question.nodes, question.collections) == (["shop"], ["docs"])
    question = await asked(lambda ann: ann.ask("why?", nodes=Auto("blog")).text(), AnswerQuestion)
    assert (question.nodes, question.among) == ("auto", ["blog"])
    run = await asked(lambda ann: ann.run("ship", nodes="shop"), Run)
    assert run.nodes == ["shop"]
    report = await asked(lambda ann: ann.evaluation.report(nodes="shop", collections="docs"), QualityReportRequest)
    assert (report.nodes, report.collections) == (["shop"], ["docs"])


async def test_a_run_of_a_batch_may_name_one_node() -> None:
    one = Run(id="r", action="ship", nodes="shop")  # type: ignore[arg-type]
    batch = await asked(lambda ann: anext(ann.submit([one])), Submit)
    assert batch.runs[0].nodes == ["shop"]


def test_keys_of_a_collection_may_be_one() -> None:
    child = Child("shop").collection("docs", keys="gtin")
    assert child._holdings._declared["docs"].keys == ["gtin"]


def test_all_and_auto_are_no_names_where_nodes_are_searched() -> None:
    given: list[SearchedNodes] = ["all", "auto", "shop", ("a", "b"), Auto(), Auto("c")]
    assert [which(nodes) for nodes in given] == [
        ("all", []), ("auto", []), (["shop"], []), (["a", "b"], []), ("auto", []), ("auto", ["c"]),
    ]  # fmt: skip
    with pytest.raises(InvalidInput, match=r"^nodes\[1\]: expected a name, got int"):
        listed(["a", 1], "nodes")  # type: ignore[list-item]
