"""Collections of the master's own: beside the nodes', and alone when no node is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetfold.master_collections import MasterDocuments
from fleetfold.search_request import SearchOptions
from fleetfold_shared.config import Reading
from fleetfold_shared.errors import Forbidden, InvalidInput, NotFound
from fleetfold_shared.messages import Scopes
from support.fleet import write_jsonl
from support.inprocess import Fleet, fleet, statuses

__all__ = ["fleet"]

NOTES = [{"id": f"n{i}", "text": f"a light tent, note {i}"} for i in range(5)]
PRODUCTS = [{"id": f"p{i}", "text": f"a tent for {i} people"} for i in range(1, 6)]


async def with_notes(fleet: Fleet, own: MasterDocuments) -> None:
    await fleet.stop_master()
    await fleet.start_master(own=own)
    await fleet.start_child("shop", {"products": lambda: PRODUCTS})


def notes(fleet: Fleet) -> MasterDocuments:
    return MasterDocuments(fleet.place / "own", {"notes": write_jsonl(fleet.place / "notes.jsonl", NOTES)})


async def test_own_collections_are_searched_beside_the_nodes(fleet: Fleet) -> None:
    async with notes(fleet) as own:
        await with_notes(fleet, own)
        found = await fleet.client.search("light tent", limit=100, options=SearchOptions(explain=True))
        assert statuses(found) == {"master": "ok", "shop": "ok"}
        assert {(hit.node, hit.collection) for hit in found.hits} == {("master", "notes"), ("shop", "products")}
        assert len(found.hits) == 10
        assert not found.partial
        assert all(one.explain is not None and one.explain.current for one in found.nodes)
        assert [node.name for node in await fleet.client.nodes.list()] == ["shop"]
        await fleet.stop_master()


async def test_a_bad_record_of_an_own_collection_is_told_and_the_master_starts(fleet: Fleet) -> None:
    file = write_jsonl(fleet.place / "notes.jsonl", [{"no": "n0", "text": "a tent"}, {"text": "nothing"}])
    async with MasterDocuments(fleet.place / "own", {"notes": file}, {"notes": Reading(id="no")}) as own:
        assert (own.infos()[0].documents, own.infos()[0].left_out) == (1, 1)
    file.write_bytes(b"{")
    async with MasterDocuments(fleet.place / "own", {"notes": file}, {"notes": Reading(id="no")}) as own:
        assert own.documents == {"notes": 1}
        assert own.infos()[0].note.startswith("not read, the documents are those of before: ")
    with pytest.raises(InvalidInput, match="there is no such file"):
        MasterDocuments(fleet.place / "own", {"notes": fleet.place / "missing.jsonl"})


async def test_pages_facets_and_duplicates_know_own_collections(fleet: Fleet) -> None:
    async with notes(fleet) as own:
        await with_notes(fleet, own)
        await fleet.client.run("index", {"collection": "products", "documents": NOTES[:2]}, nodes=["shop"])
        whole = await fleet.client.search("light tent", limit=100)
        pages = [page async for page in fleet.client.search_pages("light tent", limit=3)]
        assert [hit.id for page in pages for hit in page.hits] == [hit.id for hit in whole.hits]
        once = await fleet.client.search("light tent", limit=100, options=SearchOptions(dedup="exact"))
        assert len(whole.hits) - len(once.hits) == 2
        await fleet.stop_master()


async def test_with_every_node_down_own_collections_answer_alone(fleet: Fleet) -> None:
    async with notes(fleet) as own:
        await with_notes(fleet, own)
        await fleet.stop_child("shop")
        found = await fleet.client.search("light tent", limit=100)
        assert statuses(found) == {"master": "ok", "shop": "stopped"}
        assert {hit.node for hit in found.hits} == {"master"}
        assert (len(found.hits), found.partial) == (5, False)
        await fleet.stop_master()


async def test_own_collections_can_be_named_and_are_within_scopes(fleet: Fleet) -> None:
    async with notes(fleet) as own:
        await with_notes(fleet, own)
        assert statuses(await fleet.client.search("tent", nodes=["master"])) == {"master": "ok"}
        with pytest.raises(NotFound, match="shop, master"):
            await fleet.client.search("tent", nodes=["blog"])
        narrow = await fleet.new_client("rita", "reader", scopes=Scopes(nodes=["shop"]))
        assert statuses(await narrow.search("tent")) == {"shop": "ok"}
        with pytest.raises(Forbidden, match="master"):
            await narrow.search("tent", nodes=["master"])
        wide = await fleet.new_client("wendy", "reader", scopes=Scopes(nodes=["shop", "master"]))
        assert statuses(await wide.search("tent")) == {"master": "ok", "shop": "ok"}
        some = await fleet.new_client("sam", "reader", scopes=Scopes(collections=["products"]))
        assert {hit.node for hit in (await some.search("tent")).hits} == {"shop"}
        await fleet.stop_master()


async def test_a_master_without_own_collections_is_no_node_of_a_search(fleet: Fleet) -> None:
    await fleet.start_child("shop", {"products": lambda: PRODUCTS})
    assert statuses(await fleet.client.search("tent")) == {"shop": "ok"}
    with pytest.raises(NotFound, match="no 'master'"):
        await fleet.client.search("tent", nodes=["master"])


async def test_no_child_is_called_as_the_masters_are(fleet: Fleet) -> None:
    with pytest.raises(InvalidInput, match="masters' own name"):
        fleet.declare("master")
    with pytest.raises(InvalidInput, match="masters' own name"):
        await fleet.client.nodes.invite("master")


async def test_own_collections_follow_their_file_at_each_start(tmp_path: Path) -> None:
    file = write_jsonl(tmp_path / "notes.jsonl", NOTES)
    async with MasterDocuments(tmp_path / "own", {"notes": file}) as own:
        assert own.documents == {"notes": 5}
    write_jsonl(file, NOTES[3:])
    async with MasterDocuments(tmp_path / "own", {"notes": file}) as own:
        assert own.documents == {"notes": 2}
    async with MasterDocuments(tmp_path / "own", {"notes": file}) as own:
        assert own.documents == {"notes": 2}
        assert [one.epoch for one in own.infos()] == [1]


async def test_own_collections_need_a_file_that_is_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="'notes' needs a file"):
        MasterDocuments(tmp_path / "own", {"notes": ""})
    with pytest.raises(InvalidInput, match="no such file"):
        async with MasterDocuments(tmp_path / "own", {"notes": tmp_path / "none.jsonl"}):
            pass
