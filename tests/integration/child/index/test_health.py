"""A collection's own check, against a real table: what it finds, and that it passes when that is mended."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fleetfold_child.index import Collection, CollectionListeners
from fleetfold_shared.errors import Unavailable

DOCUMENTS = [{"id": str(number), "text": "tent"} for number in range(20)]


@pytest.fixture
async def failed() -> list[str]:
    """Has one for each write that failed."""
    return []


@pytest.fixture
async def collection(tmp_path: Path, failed: list[str]) -> AsyncIterator[Collection]:
    listeners = CollectionListeners(on_failure=lambda: failed.append("write"))
    async with await Collection.open("products", tmp_path, listeners=listeners) as collection:
        await collection.index(DOCUMENTS)
        yield collection


async def broken(collection: Collection, *, thorough: bool = False) -> str:
    """Why the check fails."""
    with pytest.raises(Unavailable) as refused:
        await collection.check(thorough)
    return refused.value.message


async def test_a_table_that_is_gone_is_told_and_passes_when_it_is_back(collection: Collection, tmp_path: Path) -> None:
    table, away = tmp_path / "lance" / "products.lance", tmp_path / "away"
    await collection.check(True)
    table.rename(away)
    why = await broken(collection)
    assert "collection products: lance/products.lance in the node's data cannot be read (files are missing)" in why
    away.rename(table)
    await collection.check(True)


async def test_damaged_documents_are_told_and_pass_when_they_are_mended(collection: Collection, tmp_path: Path) -> None:
    data, sound = tmp_path / "lance" / "products.lance" / "data", tmp_path / "sound"
    shutil.copytree(data, sound)
    for file in data.iterdir():
        file.write_bytes(b"not a table")
    why = await broken(collection)
    assert "cannot be read (look at the disk, or it is damaged)" in why
    assert str(tmp_path) not in why
    shutil.rmtree(data)
    shutil.copytree(sound, data)
    await collection.check(True)


async def test_a_file_in_the_place_of_the_table_is_told(collection: Collection, tmp_path: Path) -> None:
    table, away = tmp_path / "lance" / "products.lance", tmp_path / "away"
    table.rename(away)
    table.write_text("no table")
    await broken(collection)
    table.unlink()
    away.rename(table)
    await collection.check(False)


async def test_an_empty_table_that_is_gone_is_told(tmp_path: Path) -> None:
    async with await Collection.open("empty", tmp_path) as collection:
        await collection.check(True)
        shutil.rmtree(tmp_path / "lance" / "empty.lance")
        await broken(collection)


async def test_a_write_that_fails_is_told_by_the_collections_name_and_to_the_node(
    collection: Collection, tmp_path: Path, failed: list[str]
) -> None:
    table, away = tmp_path / "lance" / "products.lance", tmp_path / "away"
    table.rename(away)
    with pytest.raises(Unavailable, match=r"collection products: .* cannot be written"):
        await collection.index([{"id": "new", "text": "stove"}])
    assert failed == ["write"]
    shutil.rmtree(table, ignore_errors=True)
    away.rename(table)
    await collection.index([{"id": "new", "text": "stove"}])
    assert collection.count == 21
