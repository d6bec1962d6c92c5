"""Pins of a table that its owner goes on writing and compacting."""

from __future__ import annotations

import errno
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from lancedb.index import FTS, BTree

from fleetfold_child.index.table_copy_check import count_documents
from fleetfold_storage.lance_manifest import newest_manifest, read_manifest
from fleetfold_storage.lance_pin import PinnedTable
from support.backups import entries, open_table

NOTHING = timedelta(milliseconds=1)


async def test_a_pinned_version_outlives_the_compaction_that_drops_it(tmp_path: Path) -> None:
    table = await open_table(tmp_path)
    for start in (0, 10, 20):
        await table.write(entries(range(start, start + 10)))
    await table.handle.create_index("id", config=BTree())
    await table.handle.create_index("terms", config=FTS())
    await table.remove(["3", "14"])
    with PinnedTable(tmp_path / "lance" / "things.lance", tmp_path / "pin") as pinned:
        assert pinned.version.rows == 28
        await table.write(entries(range(100, 200)))
        await table.optimize(NOTHING)
        assert not (tmp_path / "lance" / "things.lance" / pinned.version.files[0]).exists()
        shutil.copytree(tmp_path / "pin", tmp_path / "copy" / "lance" / "things.lance")
    assert not (tmp_path / "pin").exists()
    assert await count_documents(tmp_path / "copy" / "lance" / "things.lance") == 28
    copied = await open_table(tmp_path / "copy")
    assert len(await copied.handle.list_indices()) == 2
    assert "3" not in await copied.ids()
    await copied.close()
    await table.close()


async def test_a_version_that_loses_a_file_while_it_is_linked_gives_way_to_the_newest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = await open_table(tmp_path)
    await table.write(entries(range(10)))
    place, link, linked = tmp_path / "lance" / "things.lance", Path.hardlink_to, list[Path]()

    def link_late(self: Path, target: Path) -> None:
        linked.append(target)
        if len(linked) == 2:  # a compaction has taken it away
            raise FileNotFoundError(errno.ENOENT, "gone", str(target))
        link(self, target)

    monkeypatch.setattr(Path, "hardlink_to", link_late)
    with PinnedTable(place, tmp_path / "pin") as pinned:
        assert {path for path, _ in pinned.files()} == set(pinned.version.files)
    await table.close()


async def test_where_there_are_no_hard_links_a_pin_is_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = await open_table(tmp_path)
    await table.write(entries(range(10)))
    await table.close()

    def refuse(_self: Path, _target: Path) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    place = tmp_path / "lance" / "things.lance"
    with PinnedTable(place, tmp_path / "pin") as pinned:
        assert all(link.read_bytes() == (place / path).read_bytes() for path, link in pinned.files())
        assert len(pinned.version.files) == 2


async def test_a_table_with_a_missing_data_file_is_not_pinned(tmp_path: Path) -> None:
    table = await open_table(tmp_path)
    await table.write(entries(range(10)))
    await table.close()
    place = tmp_path / "lance" / "things.lance"
    next(place.glob("data/*.lance")).unlink()
    with pytest.raises(ValueError, match="is missing"):
        PinnedTable(place, tmp_path / "pin")
    assert not (tmp_path / "pin").exists()


async def test_a_manifest_that_is_cut_off_or_overwritten_is_refused(tmp_path: Path) -> None:
    table = await open_table(tmp_path)
    await table.write(entries(range(10)))
    await table.close()
    place = tmp_path / "lance" / "things.lance"
    path = newest_manifest(place)
    content = (place / path).read_bytes()
    assert read_manifest(path, content).rows == 10
    for damaged in (b"", content[:20], content[:-4] + b"XXXX", content[40:]):
        with pytest.raises(ValueError, match="not a manifest"):
            read_manifest(path, damaged)


def test_a_folder_without_a_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "things.lance").mkdir()
    with pytest.raises(ValueError, match="no version"):
        newest_manifest(tmp_path / "things.lance")
