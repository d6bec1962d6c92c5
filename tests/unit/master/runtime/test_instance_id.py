"""The id of a master's data directory: created once, and taken over from the file of earlier versions."""

from __future__ import annotations

from pathlib import Path

from fleetfold_broker.secret_file import read_or_create
from fleetfold_master.runtime.infrastructure import INSTANCE_ID, _instance_id


def test_it_is_created_once(tmp_path: Path) -> None:
    assert _instance_id(tmp_path) == _instance_id(tmp_path)


def test_a_data_directory_of_an_earlier_version_keeps_its_id(tmp_path: Path) -> None:
    read_or_create(tmp_path / "seat", lambda: b"01hzy")
    assert _instance_id(tmp_path) == "01hzy"
    assert [file.name for file in tmp_path.iterdir()] == [INSTANCE_ID]
