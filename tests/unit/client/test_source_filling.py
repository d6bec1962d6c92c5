"""What is no source, or fails as one, is told in one line."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fleetfold.child import Child
from fleetfold.source_filling import fill
from fleetfold.source_readings import SourceLog, check_source, records
from fleetfold_child.connectors.files import Records
from fleetfold_child.connectors.ingest_report import IndexReport
from fleetfold_child.connectors.reading_summary import SourceState
from fleetfold_shared.config import Reading
from fleetfold_shared.errors import InvalidInput

RECORD = {"id": 1}


def yields() -> Iterator[dict[str, Any]]:
    yield RECORD


async def yields_later() -> AsyncIterator[dict[str, Any]]:
    yield RECORD


async def returns_later() -> list[dict[str, Any]]:
    return [RECORD]


def needs_one(shop: str) -> list[dict[str, Any]]:
    return [RECORD]


def fails() -> list[dict[str, Any]]:
    raise ConnectionError("the shop\nis away")


async def fails_later() -> list[dict[str, Any]]:
    raise KeyError("orders")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ([RECORD], "a list; give a path, or a function that returns it: lambda: records"),
        ((RECORD,), "a tuple; give a path"),
        ({"id": 1}, "a dict; give a path, or a function that returns records: lambda: [record]"),
        (b"docs.jsonl", "bytes; give a path as text"),
        (yields(), "a generator, which can be read once; give the function itself"),
        (yields_later(), "an async generator, which can be read once; give the function itself"),
        (7, "of type int; give a path, or a function"),
        (needs_one, "a function that needs 'shop'; give one without parameters"),
    ],
)
def test_what_is_no_source_is_refused_at_declaration(source: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as refused:
        Child("shop", url="nats://127.0.0.1:1", data=tmp_path).collection("docs", source)
    assert refused.value.message.startswith(f"collection docs: its source is {said}")
    assert "\n" not in refused.value.message


def test_a_coroutine_is_refused_at_declaration() -> None:
    coroutine = returns_later()
    with pytest.raises(InvalidInput, match="a coroutine; give the async function itself, without calling it"):
        check_source(coroutine, "docs")
    coroutine.close()


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (fails, "the source of docs raised ConnectionError: the shop is away"),
        (fails_later, "the source of docs raised KeyError: 'orders'"),
        (lambda: None, "the source of docs returned nothing; it must return or yield records, each a dict"),
        (lambda: RECORD, "the source of docs returned a value of type dict; it must"),
        (lambda: "docs.jsonl", "the source of docs returned a value of type str; it must"),
        (lambda: b"", "the source of docs returned a value of type bytes; it must"),
        (lambda: 7, "the source of docs returned a value of type int; it must"),
        (lambda: yields, "the source of docs returned a value of type function; it must"),
    ],
)
async def test_a_function_that_gives_no_records_is_told_when_it_is_called(source: Any, said: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        await records(source, "docs")
    assert refused.value.message.startswith(said)
    assert "\n" not in refused.value.message


@pytest.mark.parametrize("source", [yields, yields_later, returns_later, lambda: [RECORD]])
async def test_functions_of_every_kind_give_their_records_anew_each_time(source: Any) -> None:
    for _ in range(2):
        given: Any = await records(source, "docs")
        found = [one async for one in given] if hasattr(given, "__aiter__") else list(given)
        assert found == [RECORD]


async def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"nothing\.jsonl: there is no such file"):
        await records(tmp_path / "nothing.jsonl")


@pytest.mark.parametrize(
    ("documents", "written", "said"),
    [
        (0, 0, "not read: the source raised Gone"),
        (3, 0, "not read, the documents are those of before: the source raised Gone"),
        (0, 2, "not read to its end: the source raised Gone"),
        (3, 2, "not read to its end: the source raised Gone"),
    ],
)
async def test_documents_are_said_to_be_those_of_before_only_if_they_are(
    documents: int, written: int, said: str, tmp_path: Path
) -> None:
    states = list[SourceState]()
    held = SimpleNamespace(
        name="docs", reading=Reading(), epoch=1, count=documents, set_source_state=states.append
    )  # fmt: skip

    async def write(_: Records) -> IndexReport:
        held.epoch, held.count = held.epoch + bool(written), documents + written
        raise InvalidInput("the source raised Gone", field="source")

    await fill(cast("Any", held), yields, SourceLog(tmp_path / "sources.json"), write)
    assert [state.note for state in states] == [said]
