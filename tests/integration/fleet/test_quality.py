"""Quality in a real fleet: what people say about hits is kept, and the figures are those of the definitions."""

from __future__ import annotations

import asyncio
import math
from io import StringIO
from pathlib import Path

import pytest

from fleetfold.search_request import SearchOptions
from fleetfold_cli.app import main
from fleetfold_cli.command_context import Terminal
from fleetfold_shared.errors import FleetfoldError, Forbidden, InvalidInput, NotFound
from fleetfold_shared.messages import Judgement, QualityMetrics, QualityReport, Scopes
from support.commandline import logging_as_it_was
from support.inprocess import Fleet, fleet

__all__ = ["fleet"]

TENTS = [
    {"id": "t1", "title": "Blue tent", "content": "A tent for two."},
    {"id": "t2", "title": "Green tent", "content": "A tent for a family, with a stove."},
    {"id": "t3", "title": "Stove", "content": "A stove to cook on."},
]


async def two_shops(fleet: Fleet) -> None:
    for name in ("shop", "blog"):
        await fleet.start_child(name, {"products": None, "notes": None})
    await fleet.client.run("index", {"collection": "products", "documents": TENTS}, nodes=["shop"])
    await fleet.client.run("index", {"collection": "products", "documents": TENTS[2:]}, nodes=["blog"])


def about(node: str, identity: str, grade: int, query: str = "tent") -> Judgement:
    return Judgement(query=query, node=node, collection="products", id=identity, grade=grade)


def of_node(found: QualityReport, name: str) -> QualityMetrics:
    return next(one for one in found.nodes if one.node == name)


async def test_the_report_is_what_the_definitions_give(fleet: Fleet) -> None:
    await two_shops(fleet)
    ranked = [hit.id for hit in (await fleet.client.search("tent", nodes=["shop"])).hits]
    assert set(ranked[:2]) == {"t1", "t2"}
    second, gone = ranked[1], "t4"
    await fleet.client.run("index", {"collection": "products", "documents": [{"id": gone}]}, nodes=["shop"])
    kept = await fleet.client.evaluation.judge([about("shop", second, 3), about("shop", gone, 1)])
    await fleet.client.run("delete", {"collection": "products", "ids": [gone]}, nodes=["shop"])
    assert (kept.judgements, kept.queries) == (2, 1)
    found = await fleet.client.evaluation.report()
    expected = 7 / math.log2(3) / (7 + 1 / math.log2(3))
    assert found.fleet.ndcg == pytest.approx(expected, abs=1e-4)
    assert found.fleet.recall == 0.5
    assert (found.judged, found.measured, found.incomplete) == (1, 1, 0)
    assert of_node(found, "shop").ndcg == found.fleet.ndcg
    assert of_node(found, "blog").ndcg is None
    assert [one.ndcg for one in found.collections if (one.node, one.collection) == ("shop", "products")] == [
        found.fleet.ndcg
    ]
    assert [one.query for one in found.worst] == ["tent"]


async def test_a_new_judgement_of_a_document_replaces_the_old_one(fleet: Fleet) -> None:
    await two_shops(fleet)
    await fleet.client.evaluation.judge([about("shop", "t1", 3), about("shop", "t2", 3)])
    await fleet.client.evaluation.judge([about("shop", "t1", 0, " TENT ")])
    found = await fleet.client.evaluation.report()
    assert (found.fleet.queries, found.fleet.judgements, found.fleet.recall) == (1, 2, 1.0)


async def test_clicks_and_empty_answers_are_counted_where_they_were(fleet: Fleet) -> None:
    await two_shops(fleet)
    for rank in (1, 4):
        await fleet.client.evaluation.click("tent", "shop", "products", "t1", rank)
    await fleet.client.search("tent", collections=["products"])
    await fleet.client.search("tent", collections=["products"], options=SearchOptions(threshold=0.99))
    found = await fleet.client.evaluation.report()
    shop = of_node(found, "shop")
    assert (found.fleet.clicks, found.fleet.click_rr, shop.clicks) == (2, 0.625, 2)
    assert (found.fleet.searches, found.fleet.zero_rate) == (2, 0.5)
    assert (shop.searches, shop.zero_rate) == (2, 0.5)
    products = next(one for one in found.collections if (one.node, one.collection) == ("shop", "products"))
    assert (products.searches, products.zero_rate) == (2, 0.5)


async def test_a_report_does_not_count_itself_as_searches(fleet: Fleet) -> None:
    await two_shops(fleet)
    await fleet.client.evaluation.judge([about("shop", "t1", 3)])
    await fleet.client.evaluation.report()
    assert (await fleet.client.evaluation.report()).fleet.searches == 0


async def test_a_query_that_lacks_a_node_does_not_count(fleet: Fleet) -> None:
    await two_shops(fleet)
    await fleet.client.evaluation.judge([about("shop", "t1", 3)])
    await fleet.stop_child("blog")
    found = await fleet.client.evaluation.report()
    assert (found.measured, found.incomplete, found.fleet.ndcg) == (0, 1, None)


async def test_what_is_forgotten_is_gone_whatever_its_case(fleet: Fleet) -> None:
    await two_shops(fleet)
    await fleet.client.evaluation.judge([about("shop", "t1", 3), about("shop", "t1", 3, "a stove")])
    await fleet.client.evaluation.click("tent", "shop", "products", "t1", 1)
    dropped = await fleet.client.evaluation.forget("  TENT")
    assert (dropped.judgements, dropped.clicks) == (1, 1)
    found = await fleet.client.evaluation.report()
    assert (found.judged, found.fleet.clicks) == (1, 0)


async def test_what_was_said_survives_a_restart_of_the_master(fleet: Fleet) -> None:
    await two_shops(fleet)
    await fleet.client.evaluation.judge([about("shop", "t1", 3)])
    await fleet.client.evaluation.click("tent", "shop", "products", "t1", 2)
    await fleet.client.search("tent")
    await fleet.stop_master()
    await fleet.start_master()
    found = await fleet.client.evaluation.report()
    assert (found.judged, found.fleet.clicks, found.fleet.searches) == (1, 1, 1)


async def test_a_narrow_caller_judges_and_sees_what_is_in_its_scope(fleet: Fleet) -> None:
    await two_shops(fleet)
    await fleet.client.evaluation.judge([about("shop", "t1", 3), about("blog", "t3", 3, "a stove")])
    await fleet.client.search("tent")
    narrow = await fleet.new_client("olga", "operator", scopes=Scopes(nodes=["shop"], collections=["products"]))
    with pytest.raises(Forbidden, match="node"):
        await narrow.evaluation.judge([about("blog", "t3", 1)])
    with pytest.raises(Forbidden, match="collection"):
        await narrow.evaluation.click("tent", "shop", "notes", "n1", 1)
    with pytest.raises(Forbidden, match="nodes"):
        await narrow.evaluation.report(nodes=["blog"])
    with pytest.raises(Forbidden, match="whole fleet"):
        await narrow.evaluation.forget("tent")
    found = await narrow.evaluation.report()
    assert [(one.node, one.collection) for one in found.collections] == [("shop", "products")]
    assert [one.query for one in found.worst] == ["tent"]
    assert (found.judged, found.fleet.searches) == (1, 0)


async def test_a_reader_clicks_and_does_not_judge(fleet: Fleet) -> None:
    await two_shops(fleet)
    reader = await fleet.new_client("rita", "reader")
    await reader.evaluation.click("tent", "shop", "products", "t1", 1)
    for asked in (
        reader.evaluation.judge([about("shop", "t1", 1)]),
        reader.evaluation.report(),
        reader.evaluation.forget("tent"),
    ):
        with pytest.raises(Forbidden):
            await asked


async def test_what_cannot_be_is_refused_by_name(fleet: Fleet) -> None:
    await two_shops(fleet)
    refused: dict[str, list[Judgement]] = {
        "judgements[0].query": [about("shop", "t1", 1, " \0 ")],
        "judgements[1].node": [about("shop", "t1", 1), about("nobody", "t1", 1)],
        "judgements[0].collection": [Judgement(query="tent", node="shop", collection="nothing", id="t1", grade=1)],
        "judgements[0].id": [about("shop", "t\0", 1)],
    }
    for field, judgements in refused.items():
        with pytest.raises((InvalidInput, NotFound)) as error:
            await fleet.client.evaluation.judge(judgements)
        assert error.value.field == field
    assert (await fleet.client.evaluation.report()).judged == 0


async def test_a_query_has_a_bounded_number_of_judgements_and_clicks(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    await two_shops(fleet)
    monkeypatch.setattr("fleetfold_master.evaluation.relevance_feedback.MOST_JUDGEMENTS", 2)
    await fleet.client.evaluation.judge([about("shop", "t1", 1), about("shop", "t2", 1)])
    await fleet.client.evaluation.judge([about("shop", "t1", 2)])
    with pytest.raises(FleetfoldError, match="forget"):
        await fleet.client.evaluation.judge([about("shop", "t3", 1)])


async def commands(url: str, *lines: list[str]) -> list[str]:
    """What each of them prints, run as in a terminal of this machine."""
    shown = []
    for words in lines:
        out, err = StringIO(), StringIO()
        with logging_as_it_was():
            assert await asyncio.to_thread(main, [*words, "--url", url], Terminal(out, err, StringIO())) == 0, (
                err.getvalue()
            )
        shown.append(out.getvalue())
    return shown


async def test_the_commands_judge_click_report_and_forget(fleet: Fleet, tmp_path: Path) -> None:
    await two_shops(fleet)
    file = tmp_path / "judgements.jsonl"
    file.write_text('{"query": "tent", "node": "shop", "collection": "products", "id": "t1", "grade": 3}\n\n')
    shown = await commands(
        fleet.broker.url,
        ["judge", "tent", "shop/products/t2", "1"],
        ["judge", "--from", str(file)],
        ["quality", "click", "tent", "shop/products/t1", "1"],
        ["quality"],
        ["quality", "--node", "shop", "--json"],
        ["quality", "forget", "tent"],
    )
    assert shown[0] == "1 judgement of 1 query stored\n"
    assert "shop/products" in shown[3]
    assert '"ndcg"' in shown[4]
    assert shown[5] == "2 judgements and 1 click dropped\n"


async def test_judging_or_choosing_a_document_that_is_not_there_is_refused(fleet: Fleet) -> None:
    await two_shops(fleet)
    with pytest.raises(NotFound, match=r"^judgements\[1\]\.id: shop/products has no document 't9'; search for it"):
        await fleet.client.evaluation.judge([about("shop", "t1", 3), about("shop", "t9", 1)])
    with pytest.raises(NotFound, match=r"^id: blog/products has no document 't1'"):
        await fleet.client.evaluation.click("tent", "blog", "products", "t1", 1)
    assert (await fleet.client.evaluation.report()).judged == 0
    await fleet.client.evaluation.click("tent", "shop", "products", "t1", 1)
    await fleet.stop_child("shop")
    assert (await fleet.client.evaluation.judge([about("shop", "t9", 1)])).judgements == 1  # nobody can say
