"""A name in the place of a list of names is that name, and not one for each of its dead_letters."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from fleetfold import Client
from fleetfold.child import Child
from fleetfold.names import listed, which
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import AnswerQuestion, QualityReportAsk, Run, Search, Sort, Submit


class Sent(Exception):
    """Nothing is asked of anybody here."""


async def asked(call: str, *args: Any, **options: Any) -> Any:
    """The message that a client would send."""
    client, sent = Client.__new__(Client), list[Any]()

    async def ask(_verb: str, message: Any, *_: Any) -> Any:
        sent.append(message)
        raise Sent

    def parts(message: Any, *_: Any) -> Any:
        sent.append(message)
        return None

    client._ask = client._start = ask  # type: ignore[method-assign]
    client._parts = parts  # type: ignore[method-assign]
    made = getattr(client, call)(*args, **options)
    if inspect.isawaitable(made):
        with pytest.raises(Sent):
            await made
    return sent[0]


async def test_search_takes_a_name_wherever_it_takes_a_list() -> None:
    ask: Search = await asked(
        "search", "tent", nodes="shop", collections="docs", facets="price", among="shop", context="chair",
        sort=Sort("price"),
    )  # fmt: skip
    assert (ask.nodes, ask.collections, ask.facets, ask.among, ask.context) == (
        ["shop"], ["docs"], ["price"], ["shop"], ["chair"],
    )  # fmt: skip
    assert ask.sort == [Sort("price")]


async def test_ask_run_and_quality_take_a_name_for_a_list() -> None:
    question: AnswerQuestion = await asked("ask", "why?", nodes="shop", among="blog", collections="docs")
    assert (question.nodes, question.among, question.collections) == (["shop"], ["blog"], ["docs"])
    run: Run = await asked("run", "ship", nodes="shop")
    assert run.nodes == ["shop"]
    report: QualityReportAsk = await asked("quality", nodes="shop", collections="docs")
    assert (report.nodes, report.collections) == (["shop"], ["docs"])


async def test_a_run_of_a_batch_may_name_one_node() -> None:
    client, sent = Client.__new__(Client), list[Submit]()

    async def ask(_verb: str, message: Any, *_: Any) -> Any:
        sent.append(message)
        raise InvalidInput("enough")

    client._ask = ask  # type: ignore[method-assign]
    with pytest.raises(InvalidInput, match="enough"):
        async for _ in client.submit([Run(id="r", action="ship", nodes="shop")]):  # type: ignore[arg-type]
            pass
    assert sent[0].runs[0].nodes == ["shop"]


def test_keys_of_a_collection_may_be_one() -> None:
    child = Child("shop").collection("docs", keys="gtin")
    assert child._holdings._declared["docs"].keys == ["gtin"]


def test_all_and_auto_are_no_names_where_nodes_are_searched() -> None:
    assert [which("all"), which("auto"), which("shop"), which(("a", "b"))] == ["all", "auto", ["shop"], ["a", "b"]]
    with pytest.raises(InvalidInput, match=r"^nodes\[1\]: expected a name, got int"):
        listed(["a", 1], "nodes")  # type: ignore[list-item]
