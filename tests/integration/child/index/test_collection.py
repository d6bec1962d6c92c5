from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from fleetfold_child.connectors.documents import Document
from fleetfold_child.index import (
    Collection,
    CollectionListeners,
    DamagedTable,
    DataLock,
    IndexReport,
    search_collections,
)
from fleetfold_child.index.lance_table import Table
from fleetfold_child.index.preparation import prepare
from fleetfold_shared.errors import Conflict, InvalidInput, NotFound
from fleetfold_shared.hit_truncation import MAX_ANSWER_BYTES
from fleetfold_shared.messages.base import encode
from fleetfold_shared.messages.nodes import CollectionInfo
from fleetfold_shared.messages.search_criteria import Filter
from fleetfold_shared.text.analysis import ANALYZER
from fleetfold_shared.text.term_statistics import StatisticsTable
from support.search import WordBag, ask, document, statistics_of

DOCUMENTS = [document("1", "a red shoe", "Shoe", price=30), document("2", "a blue hat"), document("3", "red wine")]


EMBEDDER = WordBag()


class OtherBag(WordBag):
    name = "other-bag-8"
    dimensions = 8


async def opened(path: Path, **more: Any) -> Collection:
    return await Collection.open("docs", path, **({"embedder": WordBag()} | more))


@pytest.fixture
async def collection(tmp_path: Path) -> AsyncIterator[Collection]:
    async with await opened(tmp_path) as one:
        yield one


async def ids(collection: Collection, text: str) -> list[str]:
    return [hit.id for hit in (await collection.search(ask(text, statistics_of(DOCUMENTS))))[0]]


async def test_what_was_indexed_is_found_at_once_and_after_a_restart(tmp_path: Path) -> None:
    async with await opened(tmp_path) as first:
        assert await first.index(DOCUMENTS) == IndexReport(taken=3, changed=3, removed=0)
        found = await first.search(ask("red shoe", statistics_of(DOCUMENTS)))
        assert found[0][0].id == "1"
    async with await opened(tmp_path) as second:
        assert await second.search(ask("red shoe", statistics_of(DOCUMENTS))) == found
        assert await second.get("1") == DOCUMENTS[0]
        assert second.count == 3


async def test_indexing_the_same_again_changes_nothing(collection: Collection) -> None:
    await collection.index(DOCUMENTS)
    epoch = collection.info().epoch
    assert await collection.index(DOCUMENTS) == IndexReport(taken=3, changed=0, removed=0)
    assert collection.info().epoch == epoch


async def test_concurrent_writes_of_the_same_ids_leave_one_document_each(collection: Collection) -> None:
    await asyncio.gather(*(collection.index([{"id": i, "text": f"writer {w}"} for i in range(30)]) for w in range(10)))
    assert await collection._table.count() == 30
    assert collection.count == 30


async def test_the_last_of_several_records_of_one_id_wins(collection: Collection) -> None:
    assert await collection.index([{"id": 1, "text": "first"}, {"id": "1", "text": "last"}]) == IndexReport(
        2, 2, 0, repeated=1, notes=["record 2: the id '1' is that of record 1; the last one counts"]
    )
    found = await collection.get("1")
    assert found is not None
    assert found.content == "last"
    assert collection.count == 1


async def test_an_update_changes_what_it_names(collection: Collection) -> None:
    await collection.index(DOCUMENTS)
    assert await collection.update("1", {"price": 20})
    assert not await collection.update("1", {"price": 20})
    found = await collection.get("1")
    assert found is not None
    assert (found.content, found.metadata) == ("a red shoe", {"price": 20})
    with pytest.raises(NotFound, match="'9'"):
        await collection.update("9", {"price": 1})


async def test_concurrent_updates_of_one_document_all_count(collection: Collection) -> None:
    await collection.index([{"id": 1}])
    await asyncio.gather(*(collection.update("1", {f"field{i}": i}) for i in range(20)))
    found = await collection.get("1")
    assert found is not None
    assert len(found.metadata) == 20


async def test_deleted_documents_are_gone_for_good(tmp_path: Path) -> None:
    async with await opened(tmp_path) as first:
        await first.index(DOCUMENTS)
        assert await first.delete(["1", "1", "nope"]) == 1
        assert "1" not in await ids(first, "red shoe")
    async with await opened(tmp_path) as second:
        assert second.count == 2


async def test_a_sync_makes_the_collection_equal_to_its_source(collection: Collection) -> None:
    await collection.index(DOCUMENTS)
    source = [DOCUMENTS[0], document("2", "a green hat"), document("4", "cheese")]
    assert await collection.sync(source) == IndexReport(taken=3, changed=2, removed=1)
    assert await collection._committer.index.ids() == {"1", "2", "4"}
    assert await collection._table.count() == 3


async def test_a_forced_sync_writes_what_has_not_changed_too(collection: Collection) -> None:
    await collection.index(DOCUMENTS)
    assert await collection.sync(DOCUMENTS) == IndexReport(taken=len(DOCUMENTS), changed=0, removed=0)
    rows = await collection._table.count()
    report = await collection.sync(DOCUMENTS, force=True)
    assert report == IndexReport(taken=len(DOCUMENTS), changed=len(DOCUMENTS), removed=0)
    assert (collection.count, await collection._table.count()) == (len(DOCUMENTS), rows)


async def test_a_bad_record_refuses_all_of_them_where_nothing_is_to_be_left_out(collection: Collection) -> None:
    await collection.index(DOCUMENTS)
    for write in (collection.index, collection.sync):
        with pytest.raises(InvalidInput, match=r"record 2: id: the record has none.*nothing was taken"):
            await write([{"id": "4"}, {"no": "id"}])
    assert await collection._committer.index.ids() == {"1", "2", "3"}


async def test_a_sync_that_breaks_off_removes_nothing(collection: Collection) -> None:
    def broken() -> Iterator[dict[str, str]]:
        yield {"id": "4"}
        raise ConnectionError("gone")

    await collection.index(DOCUMENTS)
    with pytest.raises(InvalidInput, match="raised ConnectionError: gone, after record 1; records taken before it: 1"):
        await collection.sync(broken(), leave_out=True)
    assert await collection._committer.index.ids() == {"1", "2", "3", "4"}


async def test_a_sync_keeps_the_documents_of_records_that_it_leaves_out(collection: Collection) -> None:
    await collection.index(DOCUMENTS)
    report = await collection.sync([DOCUMENTS[0], {"id": 2, "title": {}}], leave_out=True)
    assert (report.left_out, report.removed) == (1, 1)
    assert await collection._committer.index.ids() == {"1", "2"}
    report = await collection.sync([DOCUMENTS[0], {"title": "no id"}], leave_out=True)
    assert (report.left_out, report.removed) == (1, 0)
    assert "1 documents that may be gone were kept" in report.notes[-1]
    assert await collection._committer.index.ids() == {"1", "2"}


async def test_documents_of_before_there_was_a_reader_are_read_once(tmp_path: Path) -> None:
    stamp = {"fleetfold.analyzer": ANALYZER, "fleetfold.embedder": EMBEDDER.name}
    table = await Table.open(tmp_path, "docs", EMBEDDER.dimensions, stamp)
    old = Document("1", "Kettle &amp; cup", "<p>A <b>quiet</b> one</p>", {"sku": "<b>"})
    await table.write(prepare([old], EMBEDDER))
    await table.close()
    async with await opened(tmp_path) as collection:
        assert await collection.get("1") == Document("1", "Kettle & cup", "A quiet one", {"sku": "<b>"})
        await collection.index([{"id": "2", "title": "&amp;amp; <b>b</b>"}])
    async with await opened(tmp_path) as collection:
        assert await collection.get("2") == Document("2", "&amp; b", "", {})


async def test_a_malformed_line_is_named_and_refuses_the_file_or_is_left_out(
    collection: Collection, tmp_path: Path
) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text("".join(f'{{"id": {i}, "text": "t{i}"}}\n' for i in range(1200)) + "{oops\n")
    with pytest.raises(InvalidInput, match=r"d.jsonl:1201: .*; nothing was taken"):
        await collection.index(path)
    assert collection.count == 0
    report = await collection.index(path, leave_out=True)
    assert (collection.count, report.taken, report.left_out) == (1200, 1200, 1)


async def test_statistics_are_those_of_the_documents_after_any_change(collection: Collection) -> None:
    table = StatisticsTable()
    await collection.index(DOCUMENTS)
    table.apply(collection.statistics(table.ask("docs")))
    await collection.index([document("2", "a red hat")])
    await collection.delete(["3"])
    table.apply(collection.statistics(table.ask("docs")))
    expected = statistics_of([DOCUMENTS[0], document("2", "a red hat")])
    assert (table.documents, table.length) == (expected.documents, expected.length)
    assert [table.df(word) for word in ("red", "hat", "blue", "wine", "shoe")] == [2, 1, 0, 0, 1]


async def test_a_change_is_told_once_it_is_done(tmp_path: Path) -> None:
    told: list[CollectionInfo] = []
    async with await opened(tmp_path, listeners=CollectionListeners(on_change=told.append)) as collection:
        await collection.index(DOCUMENTS)
        await collection.index(DOCUMENTS)
        assert [(info.name, info.documents) for info in told] == [("docs", 3)]
        assert collection.info() == told[0]


async def test_a_new_embedder_prepares_the_documents_anew(tmp_path: Path) -> None:
    async with await opened(tmp_path) as first:
        await first.index(DOCUMENTS)
    async with await opened(tmp_path, embedder=OtherBag()) as second:
        assert second.count == 3
        assert second.embedder.dimensions == 8
        assert not await second._table.is_stale()
        assert await second.get("1") == DOCUMENTS[0]
        await second.index([{"id": 4, "text": "more"}])
    async with await opened(tmp_path, embedder=OtherBag()) as third:
        assert third.count == 4


async def test_a_collection_that_outgrows_memory_goes_on_with_candidates(tmp_path: Path) -> None:
    async with await opened(tmp_path, memory_documents=2) as collection:
        await collection.index(DOCUMENTS[:2])
        assert (await collection.search(ask("red", statistics_of(DOCUMENTS))))[1]
        await collection.index(DOCUMENTS[2:])
        hits, exact = await collection.search(ask("red wine", statistics_of(DOCUMENTS)))
        assert not exact
        assert hits[0].id == "3"


async def test_a_table_that_cannot_be_read_is_reported_in_one_line(tmp_path: Path) -> None:
    async with await opened(tmp_path) as collection:
        await collection.index(DOCUMENTS)
    for manifest in (tmp_path / "lance" / "docs.lance" / "_versions").glob("*.manifest"):
        manifest.write_bytes(b"torn")
    with pytest.raises(DamagedTable, match=r"docs: its table in .*lance is damaged \(its files cannot be read\)"):
        await opened(tmp_path)


async def test_an_optimized_table_still_has_everything(collection: Collection) -> None:
    await collection.index(DOCUMENTS)
    await collection.delete(["2"])
    await collection._table.optimize()
    await collection.index([document("4", "cheese")])
    assert await collection._table.ids() == {"1", "3", "4"}


async def test_a_second_process_on_the_same_data_is_refused(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from fleetfold_child.index import DataLock; DataLock(pathlib.Path(sys.argv[1])).acquire()"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "data")]
    with DataLock(tmp_path / "data"):
        refused = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    assert "Conflict: data: " in refused.stderr
    with DataLock(tmp_path / "data"), pytest.raises(Conflict, match=r"in use by process \d+"):
        DataLock(tmp_path / "data").acquire()
    assert (await asyncio.to_thread(subprocess.run, command, check=False)).returncode == 0


async def test_an_answer_folds_the_collections_that_were_asked(tmp_path: Path) -> None:
    async with (
        await Collection.open("shoes", tmp_path, embedder=WordBag()) as shoes,
        await Collection.open("wines", tmp_path, embedder=WordBag()) as wines,
    ):
        await shoes.index(DOCUMENTS[:2])
        await wines.index([DOCUMENTS[2], document("1", "a red shoe", "Shoe")])
        both = {"wines": wines, "shoes": shoes}
        query = ask("red shoe", statistics_of(DOCUMENTS))
        answer = await search_collections(both, query)
        assert [(hit.collection, hit.id) for hit in answer.hits[:2]] == [("shoes", "1"), ("wines", "1")]
        assert answer.hits[0].score == answer.hits[1].score
        assert answer.exact
        assert answer.ms > 0
        one = await search_collections(
            both, ask("red shoe", statistics_of(DOCUMENTS), collections=["wines", "nope", "wines"])
        )
        assert [(hit.collection, hit.id) for hit in one.hits] == [("wines", "1"), ("wines", "3")]
        none = await search_collections(both, ask("red", statistics_of(DOCUMENTS), collections=["nope"]))
        assert none.status == "no_collection"


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"analyzer": "other"}, "analyzer: "),
        ({"embedder": "other"}, "embedder: "),
        ({"vector": b"1234"}, "vector: 1 dimensions"),
        ({"k": 0}, "k: "),
        ({"avgdl": 0.0}, "avgdl: "),
        ({"filter": Filter(all=[])}, "filter.all"),
    ],
)
async def test_an_ask_that_cannot_be_answered_says_why(
    collection: Collection, wrong: dict[str, Any], named: str
) -> None:
    await collection.index(DOCUMENTS)
    answer = await search_collections({"docs": collection}, ask("red", statistics_of(DOCUMENTS), **wrong))
    assert answer.status == "error"
    assert named in (answer.error or "")


async def test_long_contents_come_whole_and_fewer_to_fit_the_broker(collection: Collection) -> None:
    documents = [document(str(i), "red " + "żółć\n" * 20_000, size=i) for i in range(30)]
    await collection.index([*documents, document("short", "red")])
    answer = await search_collections({"docs": collection}, ask("red", statistics_of(documents), k=100))
    assert len(encode(answer)) < MAX_ANSWER_BYTES + 1000
    assert answer.more
    contents = {hit.id: hit.content for hit in answer.hits}
    assert (contents.pop("short"), len(contents)) == ("red", 3)
    assert {len(content) for content in contents.values()} == {100_004}
    assert [hit.cut for hit in answer.hits] == [[]] * 4
