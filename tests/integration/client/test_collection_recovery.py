"""A collection whose table is lost or damaged is recovered from its source, or left out alone with a reason."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from fleetfold.hosted_collections import HostedCollections
from fleetfold_child.node.collection_health import CollectionHealth
from fleetfold_shared.errors import Unavailable

DOCUMENTS = [{"id": f"d{number}", "text": f"tent number {number} for the mountains"} for number in range(60)]


async def opened(data: Path, stack: AsyncExitStack, *, sourced: bool, new: bool = False) -> HostedCollections:
    """The collection `docs`, with or without a source, beside a sound one, `other`."""
    held = HostedCollections()
    if sourced:
        (data / "docs.jsonl").write_text(
            "".join(f'{{"id":"{one["id"]}","text":"{one["text"]}"}}\n' for one in DOCUMENTS)
        )
    held.declare("docs", str(data / "docs.jsonl") if sourced else None, [], None, None)
    held.declare("other", lambda: DOCUMENTS[:3], [], None, None)
    await held.open(
        data,
        stack,
        embedder="wordllama-256",
        incarnation="i",
        on_change=lambda _: None,
        on_failure=lambda: None,
        new=new,
    )
    await held.fill(data)
    return held


async def filled(data: Path, *, sourced: bool) -> Path:
    """The table of a stopped node with 60 documents."""
    async with AsyncExitStack() as stack:
        held = await opened(data, stack, sourced=sourced)
        for start in range(0, 60, 20):
            await held.collections["docs"].index(DOCUMENTS[start : start + 20])
        assert held.collections["docs"].count == 60
    return data / "lance" / "docs.lance"


def newest(folder: Path) -> Path:
    return max(folder.iterdir(), key=lambda path: path.stat().st_size)


def gone(table: Path) -> None:
    shutil.rmtree(table)


def manifests_gone(table: Path) -> None:
    for manifest in (table / "_versions").iterdir():
        manifest.unlink()


def manifest_empty(table: Path) -> None:
    for manifest in (table / "_versions").glob("*.manifest"):
        manifest.write_bytes(b"")


def manifest_garbage(table: Path) -> None:
    for manifest in (table / "_versions").glob("*.manifest"):
        manifest.write_bytes(b"\xde\xad" * 300)


def manifest_is_a_folder(table: Path) -> None:
    for manifest in list((table / "_versions").glob("*.manifest")):
        manifest.unlink()
        manifest.mkdir()


def data_gone(table: Path) -> None:
    newest(table / "data").unlink()


def data_half(table: Path) -> None:
    file = newest(table / "data")
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def data_empty(table: Path) -> None:
    newest(table / "data").write_bytes(b"")


def data_zeroed(table: Path) -> None:
    file = newest(table / "data")
    content = bytearray(file.read_bytes())
    content[: len(content) // 2] = bytes(len(content) // 2)
    file.write_bytes(content)


def text_flipped(table: Path) -> None:
    """A letter of a document, which LanceDB does not notice."""
    for file in (table / "data").iterdir():
        file.write_bytes(file.read_bytes().replace(b"tent number", b"tenu number"))


def another_file(table: Path) -> None:
    other = newest(table.with_name("other.lance") / "data")
    newest(table / "data").write_bytes(other.read_bytes())


DAMAGES: list[Callable[[Path], None]] = [
    gone, manifests_gone, manifest_empty, manifest_garbage, manifest_is_a_folder, data_gone, data_half, data_empty,
    data_zeroed, text_flipped, another_file,
]  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
async def test_with_a_source_it_is_filled_again_and_the_damaged_table_is_kept(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    table = await filled(tmp_path, sourced=True)
    damage(table)
    async with AsyncExitStack() as stack:
        with capture_logs() as said:
            held = await opened(tmp_path, stack, sourced=True)
        assert {name: one.count for name, one in held.collections.items()} == {"docs": 60, "other": 3}
        found = await held.collections["docs"].get("d7")
        assert found is not None
        assert found.content == "tent number 7 for the mountains"
    told = [one for one in said if one["event"] == "collection.damaged"]
    assert [(one["collection"], "filled again from its source" in one["then"]) for one in told] == [("docs", True)]
    assert len(list(table.parent.glob("docs.lance.damaged-*"))) == (0 if damage is gone else 1)


@pytest.mark.parametrize("damage", DAMAGES)
async def test_without_a_source_it_alone_is_left_out_as_it_is(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    table = await filled(tmp_path, sourced=False)
    damage(table)
    for _ in range(2):  # a second start finds the same
        async with AsyncExitStack() as stack:
            held = await opened(tmp_path, stack, sourced=False)
            assert {name: one.count for name, one in held.collections.items()} == {"other": 3}
            assert held.lost["docs"].documents == 60
            assert "`fleetfold backup restore`" in held.lost["docs"].damaged
            health = CollectionHealth(held.collections, held.lost, lambda: None)
            await health.check(True)
            assert health.failing.keys() == {"docs"}
    assert not list(table.parent.glob("docs.lance.damaged-*"))


@pytest.mark.parametrize("damage", [gone, data_half])
async def test_with_new_it_begins_empty(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    damage(await filled(tmp_path, sourced=False))
    for new in (True, False):
        async with AsyncExitStack() as stack:
            held = await opened(tmp_path, stack, sourced=False, new=new)
            assert held.collections["docs"].count == 0


async def test_an_older_table_is_no_substitute(tmp_path: Path) -> None:
    table = await filled(tmp_path, sourced=False)
    shutil.copytree(table, tmp_path / "older")
    async with AsyncExitStack() as stack:
        await (await opened(tmp_path, stack, sourced=False)).collections["docs"].index([{"id": "new", "text": "stove"}])
    shutil.rmtree(table)
    (tmp_path / "older").rename(table)
    async with AsyncExitStack() as stack:
        held = await opened(tmp_path, stack, sourced=False)
        assert "its table is an older one" in held.lost["docs"].damaged
    async with AsyncExitStack() as stack:
        assert (await opened(tmp_path, stack, sourced=False, new=True)).collections["docs"].count == 60


async def test_nothing_is_said_of_sound_ones(tmp_path: Path) -> None:
    await filled(tmp_path, sourced=True)
    with capture_logs() as said:
        async with AsyncExitStack() as stack:
            held = await opened(tmp_path, stack, sourced=True)
            assert held.collections["docs"].count == 60
    assert [one["event"] for one in said if one["log_level"] in {"warning", "error"}] == []


async def test_one_that_fails_later_costs_itself_alone(tmp_path: Path) -> None:
    await filled(tmp_path, sourced=True)
    changes: list[str] = []
    async with AsyncExitStack() as stack:
        held = await opened(tmp_path, stack, sourced=True)
        health = CollectionHealth(held.collections, {}, lambda: changes.append("changed"))
        table, away = tmp_path / "lance" / "docs.lance", tmp_path / "away"
        table.rename(away)
        await health.check(False)
        assert health.failing.keys() == {"docs"}
        assert [info.name for info in health.infos() if info.damaged] == ["docs"]
        away.rename(table)
        await health.check(False)
        assert (health.failing, changes) == ({}, ["changed", "changed"])


async def test_the_daily_reading_finds_a_changed_document(tmp_path: Path) -> None:
    table = await filled(tmp_path, sourced=True)
    async with AsyncExitStack() as stack:
        held = await opened(tmp_path, stack, sourced=True)
        health = CollectionHealth(held.collections, {}, lambda: None)
        assert await health.verify() == []
        text_flipped(table)
        assert await health.verify() == ["docs"]


async def test_if_none_can_be_searched_the_node_cannot(tmp_path: Path) -> None:
    table = await filled(tmp_path, sourced=False)
    gone(table)
    async with AsyncExitStack() as stack:
        held = await opened(tmp_path, stack, sourced=False)
        with pytest.raises(Unavailable, match="its table is missing, with 60 documents"):
            await CollectionHealth({}, held.lost, lambda: None).check(False)
