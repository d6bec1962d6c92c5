"""Backups at a URL: the whole way to and from a file system of fsspec's."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import fsspec
import pytest

from fleetfold.backup import (
    BackupRetention,
    apply_retention,
    find_backup,
    list_backups,
    open_target,
    restore_backup,
    verify_backup,
)
from fleetfold.backup.targets import DirectoryTarget
from fleetfold_shared.errors import InvalidInput, Unavailable
from support.backups import FleetData


@pytest.fixture
def url() -> str:
    fsspec.filesystem("memory").store.clear()
    return "memory://bucket/fleet"


async def test_a_backup_goes_to_a_url_and_comes_back(tmp_path: Path, url: str) -> None:
    data = await FleetData.make(tmp_path / "state")
    data.target = open_target(url)
    first, second = data.back_up(), data.back_up()
    assert second.new_bytes < first.new_bytes
    assert {entry.state for entry in list_backups(data.target)} == {"complete"}
    kept = max(first.id, second.id)
    assert apply_retention(data.target, BackupRetention(keep=1)).ids == [min(first.id, second.id)]
    found = find_backup(open_target(url), None)
    assert found.id == kept
    assert (await asyncio.to_thread(verify_backup, data.target, found)).ok
    restore_backup(data.target, found, FleetData(tmp_path / "new").places)
    assert FleetData(tmp_path / "new").ledger.exists()


def test_what_a_file_system_raises_is_one_line_without_the_urls_secret(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no\ncredentials")

    target = open_target(url.replace("memory://", "memory://me:secret@"))
    monkeypatch.setattr(type(fsspec.filesystem("memory")), "pipe_file", fail)
    with pytest.raises(Unavailable, match="cannot be used: no credentials; check") as refused:
        target.write("a/b", b"")
    assert "secret" not in refused.value.message


def test_a_plain_path_and_a_file_url_are_directories(tmp_path: Path) -> None:
    assert isinstance(open_target(str(tmp_path)), DirectoryTarget)
    assert isinstance(open_target(f"file://{tmp_path}"), DirectoryTarget)


def test_a_file_and_an_unknown_scheme_are_refused_with_what_to_write(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInput, match="is not a directory"):
        open_target(str(tmp_path / "file"))
    with pytest.raises(InvalidInput, match=r"fsspec has no nowhere://; write s3://"):
        open_target("nowhere://me:secret@bucket")


def test_s3_without_its_packages_is_refused_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(InvalidInput, match=r"pip install 'fleetfold\[s3\]'"):
        open_target("s3://bucket/fleet")
