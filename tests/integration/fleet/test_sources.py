"""A child's beginnings: its sources are read when they have changed, its tables are there before its first command."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fleetfold import Child, Context, action
from fleetfold.child import Database
from fleetfold_shared.config import Reading
from fleetfold_shared.errors import Conflict, InvalidInput
from fleetfold_shared.messages import CollectionInfo
from support.inprocess import Fleet, fleet

__all__ = ["fleet"]


def write(path: Path, *ids: str, text: str = "tent") -> Path:
    path.write_bytes(b"".join(msgspec.json.encode({"id": one, "text": f"{text} {one}"}) + b"\n" for one in ids))
    return path


async def found(fleet: Fleet) -> set[str]:
    return {hit.id for hit in (await fleet.client.search("tent", limit=100)).hits}


async def run(fleet: Fleet, name: str, **params: Any) -> Any:
    job = await fleet.client.run(name, {"collection": "docs", **params}, nodes=["shop"])
    assert job.state == "ok", job
    return job.nodes[0].result


async def test_sync_makes_a_collection_equal_to_its_source(fleet: Fleet, tmp_path: Path) -> None:
    source = write(tmp_path / "docs.jsonl", "1", "2", "3")
    await fleet.start_child("shop", {"docs": source})
    await run(fleet, "index", documents=[{"id": "4", "text": "tent"}])
    await run(fleet, "delete", ids=["1"])
    assert await found(fleet) == {"2", "3", "4"}
    write(source, "1", "2", "5")
    assert await run(fleet, "sync") == {"taken": 3, "changed": 2, "removed": 2}
    assert await found(fleet) == {"1", "2", "5"}
    assert await run(fleet, "sync") == {"taken": 3, "changed": 0, "removed": 0}


async def test_sync_without_a_name_is_for_all_collections_that_have_a_source(fleet: Fleet, tmp_path: Path) -> None:
    posts = write(tmp_path / "posts.jsonl", "1")
    await fleet.start_child("blog", {"posts": posts})
    await fleet.start_child("shop", {"docs": write(tmp_path / "docs.jsonl", "2", "3"), "notes": None, "more": posts})
    write(posts, "1", "4")
    job = await fleet.client.run("sync", nodes="all")
    told = {"taken": 2, "changed": 1, "removed": 0}
    same = {"taken": 2, "changed": 0, "removed": 0}
    assert {node.node: node.result for node in job.nodes} == {
        "blog": {"posts": told}, "shop": {"docs": same, "more": told},
    }  # fmt: skip
    forced = await fleet.client.run("sync", {"force": True}, nodes=["blog"])
    assert forced.nodes[0].result == {"posts": {"taken": 2, "changed": 2, "removed": 0}}


async def test_sync_without_any_source_says_so(fleet: Fleet) -> None:
    await fleet.start_child("shop", {"docs": None})
    job = await fleet.client.run("sync", nodes=["shop"])
    assert (job.state, job.nodes[0].error) == (
        "failed", "collection: none here has a source to sync with; declare one",
    )  # fmt: skip


async def test_update_changes_the_fields_it_names(fleet: Fleet, tmp_path: Path) -> None:
    await fleet.start_child("shop", {"docs": write(tmp_path / "docs.jsonl", "1")})
    assert await run(fleet, "update", id="1", fields={"price": 9}) == {"id": "1"}
    [hit] = (await fleet.client.search("tent")).hits
    assert (hit.content, hit.metadata) == ("tent 1", {"price": 9})


async def test_a_collection_without_a_source_cannot_be_synced(fleet: Fleet) -> None:
    await fleet.start_child("shop", {"docs": None})
    for collection, problem in (("docs", "no source"), ("nothing", "no such collection")):
        job = await fleet.client.run("sync", {"collection": collection}, nodes=["shop"])
        assert job.state == "failed"
        assert problem in (job.nodes[0].error or "")


async def test_what_actions_have_changed_survives_a_restart_of_the_child(fleet: Fleet, tmp_path: Path) -> None:
    source = write(tmp_path / "docs.jsonl", "1", "2")
    await fleet.start_child("shop", {"docs": source})
    await run(fleet, "delete", ids=["1"])
    await run(fleet, "index", documents=[{"id": "3", "text": "tent"}])
    await fleet.stop_child("shop")
    await fleet.start_child("shop", {"docs": source})
    assert await found(fleet) == {"2", "3"}


async def test_a_source_that_has_changed_is_read_at_the_next_start(fleet: Fleet, tmp_path: Path) -> None:
    source = write(tmp_path / "docs.jsonl", "1", "2")
    await fleet.start_child("shop", {"docs": source})
    await fleet.stop_child("shop")
    write(source, "1", "2", "3")
    await fleet.start_child("shop", {"docs": source})
    assert await found(fleet) == {"1", "2", "3"}
    await fleet.stop_child("shop")
    os.utime(source, ns=(1, 1))
    await fleet.start_child("shop", {"docs": source})
    assert await found(fleet) == {"1", "2", "3"}


def said(child: Child) -> CollectionInfo:
    return child.collections["docs"]


async def test_a_bad_record_keeps_neither_the_others_nor_the_node_away(fleet: Fleet, tmp_path: Path) -> None:
    source = write(tmp_path / "docs.jsonl", "1", "2")
    source.write_bytes(source.read_bytes() + b'{"id": "3", "price": NaN}\n{"id": "4", "text": "tent"}\n{"id": "1"}\n')
    for start in ("first", "second"):  # the second does not read the file again, and says the same
        child = await fleet.start_child("shop", {"docs": source})
        assert await found(fleet) == {"2", "4"}, start
        assert (said(child).left_out, said(child).repeated, said(child).without_text) == (1, 1, 1), start
        assert said(child).note.startswith(f"{source}:3: NaN is no number of JSON"), start
        [node] = await fleet.client.nodes.list()
        assert node.description.collections[0] == said(child)
        await fleet.stop_child("shop")


async def test_a_strict_source_with_a_bad_record_leaves_the_documents_of_before(fleet: Fleet, tmp_path: Path) -> None:
    source = write(tmp_path / "docs.jsonl", "1", "2")
    good = source.read_bytes()
    for text, ids, left in (
        (good, {"1", "2"}, ""),
        (good + b"{half a", {"1", "2"}, "not read"),
        (good, {"1", "2"}, ""),
    ):
        source.write_bytes(text)
        child = await fleet.start(fleet.declare("shop").collection("docs", source, reading=Reading(strict=True)))
        assert await found(fleet) == ids
        assert said(child).note.startswith(left)
        assert bool(said(child).note) == bool(left)
        assert (await fleet.client.run("index", {"collection": "docs", "documents": []}, nodes=["shop"])).state == "ok"
        await fleet.stop_child("shop")


@pytest.mark.parametrize("fails", ["raises", "returns nothing", "header"])
async def test_a_source_that_cannot_be_read_leaves_the_node_up_with_the_documents_of_before(
    fleet: Fleet, tmp_path: Path, fails: str
) -> None:
    def broken() -> Any:
        if fails == "raises":
            raise ConnectionError("the shop is away")

    headless = tmp_path / "docs.csv"
    headless.write_text("sku,name\n1,a\n")
    await fleet.start_child("shop", {"docs": lambda: [{"id": "1", "text": "tent"}]})
    await fleet.stop_child("shop")
    child = await fleet.start_child("shop", {"docs": headless if fails == "header" else broken})
    assert await found(fleet) == {"1"}
    assert said(child).note.startswith("not read, the documents are those of before: ")
    job = await fleet.client.run("sync", {"collection": "docs"}, nodes=["shop"])
    assert job.state == "failed"
    assert (job.nodes[0].error or "") in said(child).note
    assert await found(fleet) == {"1"}


async def test_a_file_that_is_not_there_is_refused_before_the_node_joins(tmp_path: Path) -> None:
    nowhere = Child("shop", url="nats://127.0.0.1:1", data=tmp_path / "data")  # would wait for the broker
    with pytest.raises(InvalidInput, match=r"missing\.jsonl: there is no such file"):
        await nowhere.collection("docs", tmp_path / "missing.jsonl").start()
    assert not (tmp_path / "data").exists()


async def test_actions_tell_what_they_left_out(fleet: Fleet, tmp_path: Path) -> None:
    source = write(tmp_path / "docs.jsonl", "1", "2")
    child = await fleet.start_child("shop", {"docs": source})
    documents = [{"id": "3", "text": "tent"}, {"id": True}, {"id": "4", "code": "A"}]
    result = await run(fleet, "index", documents=documents)
    assert {key: result[key] for key in ("taken", "changed", "left_out", "without_text")} == {
        "taken": 2, "changed": 2, "left_out": 1, "without_text": 1,
    }  # fmt: skip
    assert result["notes"][0] == "record 2: id: expected a text or a whole number, got bool"
    job = await fleet.client.run(
        "index", {"collection": "docs", "documents": [{"id": "5"}, {"id": True}], "strict": True}, nodes=["shop"]
    )
    assert (job.state, child.documents) == ("failed", {"docs": 4})
    source.write_bytes(source.read_bytes() + b"{\n")
    result = await run(fleet, "sync")
    assert (result["taken"], result["removed"], result["left_out"]) == (2, 0, 1)
    assert said(child).note.startswith(f"{source}:3: ")
    job = await fleet.client.run("sync", {"collection": "docs", "strict": True}, nodes=["shop"])
    assert job.state == "failed"


async def test_a_collection_reads_its_records_as_it_was_declared_to(fleet: Fleet, tmp_path: Path) -> None:
    source = tmp_path / "docs.csv"
    source.write_text("no|topic|words|price\n7|Refund|<p>for a <b>tent</b></p>|9,90\n", encoding="cp1252")
    await fleet.start(
        fleet.declare("shop").collection(
            "docs",
            source,
            reading=Reading(id="no", title="topic", text=["words"], fields={"price": "text"}, separator="|"),
        )
    )
    await run(fleet, "update", id="7", fields={"words": "<i>a</i> tent"})
    [hit] = (await fleet.client.search("tent")).hits
    assert (hit.id, hit.title, hit.content, hit.metadata["price"]) == ("7", "Refund", "a tent", "9,90")


async def test_a_source_may_be_a_function_that_is_called_at_each_start(fleet: Fleet) -> None:
    stock = [{"id": "1", "text": "tent"}]

    async def source() -> Any:
        for record in stock:
            yield record

    await fleet.start_child("shop", {"docs": source})
    await fleet.stop_child("shop")
    stock.append({"id": "2", "text": "tent"})
    await fleet.start_child("shop", {"docs": source})
    assert await found(fleet) == {"1", "2"}
    stock.pop(0)
    assert (await run(fleet, "sync"))["removed"] == 1
    assert await found(fleet) == {"2"}


async def test_tables_are_prepared_before_anything_runs(fleet: Fleet) -> None:
    order: list[str] = []

    async def prepare(db: Database) -> None:
        await db.execute("CREATE TABLE IF NOT EXISTS note (text TEXT)")
        order.append("prepared")

    @action(kind="transactional")
    async def note(ctx: Context, text: str) -> int:
        """Write it down; how many there are."""
        order.append("ran")
        await ctx.tx.execute("INSERT INTO note VALUES (?)", (text,))
        [row] = await ctx.tx.execute("SELECT count(*) AS n FROM note")
        return int(row["n"])

    for turn in (1, 2):
        await fleet.start(fleet.declare("shop").prepare(prepare).add(note))
        job = await fleet.client.run("note", {"text": "x"}, nodes=["shop"])
        assert job.nodes[0].result == turn
        await fleet.stop_child("shop")
    assert order == ["prepared", "ran"] * 2


async def test_a_child_that_cannot_prepare_does_not_start_and_lets_go_of_its_data(fleet: Fleet) -> None:
    async def refuse(_db: Database) -> None:
        raise ValueError("the schema is from the future")

    with pytest.raises(ValueError, match="future"):
        await fleet.declare("shop", {"docs": None}).prepare(refuse).start()
    assert await fleet.client.nodes.list() == []
    await fleet.start_child("shop", {"docs": None})


async def test_a_collection_is_declared_once(tmp_path: Path) -> None:
    child = Child("shop", url="nats://127.0.0.1:1", data=tmp_path).collection("docs")
    with pytest.raises(Conflict):
        child.collection("docs")
    with pytest.raises(InvalidInput):
        child.collection("Not a slug")


async def test_two_syncs_at_the_same_time_leave_what_the_source_holds(fleet: Fleet) -> None:
    records: list[Mapping[str, Any]] = [{"id": str(number), "text": "tent"} for number in range(30)]
    await fleet.start_child("shop", {"docs": lambda: records})
    del records[::3]
    await asyncio.gather(run(fleet, "sync"), run(fleet, "sync"))
    assert await found(fleet) == {record["id"] for record in records}
