"""A holder that fails or is slow is made up for within the search, and nobody else's answer suffers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from msgspec.structs import replace

from fleetfold_master.search.merge.node_response_join import joined_response
from fleetfold_master.search.plan.replica_assignment import ReplicaAssignment
from fleetfold_master.search.scatter.failover import FailoverRound
from fleetfold_master.search.shard_response import ShardResponse, ShardResponses
from fleetfold_shared.messages import (
    FacetCounts,
    NodeReport,
    Parts,
    Place,
    ScoredDocument,
    SearchAnswer,
    SearchRequest,
    ValueCount,
)
from fleetfold_shared.text.analysis import ANALYZER
from support.wait import eventually

ASK = SearchRequest(
    request="r", terms=[], avgdl=1.0, divisor=1.0, k=3, deadline_ms=1000, analyzer=ANALYZER, embedder="e"
)  # fmt: skip
FOREVER = 60.0


def document(collection: str, number: int, score: float = 0.5) -> ScoredDocument:
    return ScoredDocument(collection, f"d{number}", score, Parts(score, 0.0))


def group(*holders: str, own: dict[str, list[str]] | None = None) -> ReplicaAssignment:
    """`products` on each of the holders, the first of which is asked; and what else nodes have."""
    own = own or {}
    keys = [(name, "products") for name in holders]
    asked = {name: [*own.get(name, []), "products"] for name in holders} | {
        name: names for name, names in own.items() if name not in holders
    }
    every = [(name, one) for name, names in asked.items() for one in names]
    return ReplicaAssignment(asked, every, dict.fromkeys(keys, "g"), {"g": keys}, {"g": keys[0]})


class Nodes:
    """Answer with one document of each collection asked for. `ill` nodes fail at once, `dead` ones never answer."""

    def __init__(self, *, ill: str = "", dead: str = "") -> None:
        self.ill, self.dead = ill, dead
        self.asked: list[tuple[str, list[str], Place | None]] = []

    def send(self, nodes: list[str], ask: SearchRequest, timeout_s: float) -> list[Coroutine[Any, Any, ShardResponses]]:
        return [self.answer(nodes, ask, timeout_s)]

    async def answer(self, nodes: list[str], ask: SearchRequest, timeout_s: float) -> ShardResponses:
        self.asked += [(node, ask.collections, ask.after) for node in nodes]
        if any(node in self.dead for node in nodes):
            await asyncio.sleep(timeout_s)
        return {node: self._response(node, ask) for node in nodes}

    def _response(self, node: str, ask: SearchRequest) -> ShardResponse:
        if node in self.dead:
            return ShardResponse(NodeReport(node, "timeout"))
        if node in self.ill:
            return ShardResponse(NodeReport(node, "unreachable", ms=1.0))
        hits = [document(name, 1) for name in ask.collections or ["whole"]]
        return ShardResponse(NodeReport(node, "ok", len(hits), 1.0), SearchAnswer(hits=hits))


def impatient(_node: str) -> float:
    return 0.001


def found(answers: ShardResponses) -> dict[str, list[str]]:
    return {node: [hit.collection for hit in answer.hits] for node, (_, answer) in answers.items() if answer}


async def test_nobody_else_is_asked_while_the_holder_answers() -> None:
    nodes = Nodes()
    round_ = FailoverRound(group("a", "b", own={"c": ["posts"]}), nodes.send, lambda _: FOREVER)
    answers = await round_.ask(ASK, FOREVER)
    assert sorted(nodes.asked) == [("a", [], None), ("c", [], None)]
    assert found(answers) == {"a": ["whole"], "c": ["whole"]}


@pytest.mark.parametrize("patience", [impatient, lambda _: FOREVER])
async def test_a_holder_that_fails_at_once_is_made_up_for(patience: Callable[[str], float]) -> None:
    round_ = FailoverRound(group("a", "b"), Nodes(ill="a").send, patience)
    answers = await round_.ask(ASK, FOREVER)
    assert found(answers) == {"b": ["products"]}
    assert round_.replicas.servers == {"g": ("b", "products")}
    assert answers["a"][0].status == "unreachable"


async def test_a_holder_that_says_nothing_is_made_up_for_before_the_deadline() -> None:
    round_ = FailoverRound(group("a", "b"), Nodes(dead="a").send, impatient)
    async with asyncio.timeout(FOREVER / 2):
        answers = await round_.ask(ASK, FOREVER)
    reports = round_.replicas.reports({node: report for node, (report, _) in answers.items()})
    assert found(answers) == {"b": ["products"]}
    assert (reports["a"].status, reports["a"].replica) == ("timeout", "b")
    assert round_.replicas.is_replaced("a", reports)


@pytest.mark.parametrize("broken", [{"ill": "ab"}, {"ill": "a", "dead": "b"}, {"ill": "b", "dead": "a"}])
async def test_one_holder_after_the_other_is_asked(broken: dict[str, str]) -> None:
    round_ = FailoverRound(group("a", "b", "c"), Nodes(**broken).send, impatient)
    async with asyncio.timeout(FOREVER / 2):
        assert found(await round_.ask(ASK, FOREVER)) == {"c": ["products"]}


async def test_where_no_holder_answers_nothing_hides_it() -> None:
    round_ = FailoverRound(group("a", "b"), Nodes(ill="ab").send, impatient)
    answers = await round_.ask(ASK, 1.0)
    reports = round_.replicas.reports({node: report for node, (report, _) in answers.items()})
    assert {node: report.status for node, report in reports.items()} == {"a": "unreachable", "b": "unreachable"}
    assert not round_.replicas.is_replaced("a", reports)


async def test_a_node_that_stands_in_answers_for_its_own_as_well() -> None:
    nodes = Nodes(ill="a")
    answers = await FailoverRound(group("a", "b", own={"b": ["posts"]}), nodes.send, impatient).ask(ASK, 1.0)
    assert found(answers) == {"b": ["posts", "products"]}
    assert answers["b"][0].status == "ok"


async def test_one_that_fails_as_a_stand_in_keeps_its_own_answer() -> None:
    nodes = Nodes(ill="a")

    async def answer(asked: list[str], ask: SearchRequest, timeout_s: float) -> ShardResponses:
        if ask.collections == ["products"]:
            return {node: ShardResponse(NodeReport(node, "error")) for node in asked}
        return await nodes.answer(asked, ask, timeout_s)

    replicas = group("a", "b", own={"b": ["posts"]})
    answers = await FailoverRound(replicas, lambda *words: [answer(*words)], impatient).ask(ASK, 1.0)
    assert found(answers) == {"b": ["posts"]}
    assert (answers["a"][0].status, answers["b"][0].status) == ("unreachable", "ok")


async def test_a_slow_holder_with_documents_of_its_own_is_waited_for() -> None:
    replicas = group("a", "b", own={"a": ["posts"]})
    answered, ready = Nodes(), asyncio.Event()

    async def answer(asked: list[str], ask: SearchRequest, timeout_s: float) -> ShardResponses:
        if asked == ["a"]:
            await ready.wait()
        else:
            ready.set()
        return await answered.answer(asked, ask, timeout_s)

    round_ = FailoverRound(replicas, lambda *words: [answer(*words)], impatient)
    assert found(await round_.ask(ASK, FOREVER)) == {"a": ["whole"]}
    assert round_.replicas.servers == {"g": ("a", "products")}


@pytest.mark.parametrize(
    ("place", "behind"),
    [
        (Place(0.5, "b", "products", "d1"), Place(0.5, "a", "products", "d1")),
        (Place(0.5, "ab", "posts", "x"), Place(0.5, "", "", "")),
        (Place(0.5, "c", "posts", "x"), Place(0.5, "~", "", "")),
    ],
)
async def test_who_takes_over_between_two_pages_goes_on_where_the_other_was(place: Place, behind: Place) -> None:
    nodes = Nodes(ill="b")
    asked = group("b", "a")
    await FailoverRound(asked, nodes.send, impatient, ["b/products"]).ask(replace(ASK, after=place), 1.0)
    assert nodes.asked == [("b", [], place), ("a", ["products"], behind)]
    nodes = Nodes()
    await FailoverRound(group("a"), nodes.send, impatient, ["a/products"]).ask(replace(ASK, after=place), 1.0)
    assert nodes.asked == [("a", [], place)]


async def test_a_cancelled_search_leaves_nothing_running() -> None:
    before = asyncio.all_tasks()
    nodes = Nodes(dead="ab")
    search = asyncio.create_task(FailoverRound(group("a", "b"), nodes.send, impatient).ask(ASK, FOREVER))
    await eventually(lambda: len(nodes.asked) == 2)
    search.cancel()
    await asyncio.wait({search})
    await asyncio.sleep(0)
    assert {task for task in asyncio.all_tasks() if not task.done()} == {task for task in before if not task.done()}


def test_two_answers_of_one_node_are_its_top_k_of_both() -> None:
    one = SearchAnswer(
        hits=[document("p", 1, 0.9), document("p", 2, 0.2)], facets=[FacetCounts("brand", [ValueCount("x", 2)], 1)]
    )
    two = SearchAnswer(
        hits=[document("q", 1, 0.5), document("q", 2, 0.4)], facets=[FacetCounts("brand", [ValueCount("x", 3)], 1)],
        more=True,
    )  # fmt: skip
    report, answer = joined_response(
        ShardResponse(NodeReport("a", "ok", 2, 3.0), one), ShardResponse(NodeReport("a", "ok", 2, 7.0), two),
        replace(ASK, facets=["brand"]),
    )  # fmt: skip
    assert answer is not None
    assert [(hit.collection, hit.score) for hit in answer.hits] == [("p", 0.9), ("q", 0.5), ("q", 0.4)]
    assert (answer.more, report.count, report.ms, report.status) == (True, 3, 7.0, "ok")
    assert answer.facets == [FacetCounts("brand", [ValueCount("x", 5)], 2)]


def test_an_answer_whose_other_half_is_missing_is_partial() -> None:
    good = ShardResponse(NodeReport("a", "ok", 0, 1.0), SearchAnswer())
    bad = ShardResponse(NodeReport("a", "error", error="ill"))
    for first, second in ((good, bad), (bad, good)):
        report, answer = joined_response(first, second, ASK)
        assert (report.status, report.error, answer) == ("partial", "ill", SearchAnswer())
