"""What of a fleet's files is not its owner's alone is named, with what ends it; what nobody else reaches is not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from fleetfold.file_exposure import exposures, tell_exposed

STRANGER = 65534


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder of data, with a database that others could read if they could enter."""
    place = tmp_path / "state"
    (place / "master").mkdir(parents=True)
    (place / "master" / "master.db").write_bytes(b"")
    (place / "master" / "master.db").chmod(0o644)
    (place / "master").chmod(0o755)
    place.chmod(0o755)
    return place


def said(place: Path) -> list[tuple[str, str]]:
    return [(one.severity, one.what) for one in exposures([place, place])]


def test_a_readable_file_is_named_with_its_remedy(place: Path) -> None:
    [(severity, what)] = said(place)
    assert severity == "weak"
    assert str(place / "master" / "master.db") in what
    assert f"`chmod -R go= {place}`" in what


def test_a_closed_folder_protects_what_is_in_it(place: Path) -> None:
    (place / "master").chmod(0o700)
    assert [severity for severity, _ in said(place)] == ["note"]
    place.chmod(0o700)
    (place / "master").chmod(0o755)
    assert said(place) == []


def test_a_folder_that_others_may_write_into_is_weak_whatever_is_in_it(place: Path) -> None:
    (place / "master").chmod(0o700)
    place.chmod(0o777)
    [(severity, what)] = said(place)
    assert (severity, "others may write into it (mode 0777)" in what) == ("weak", True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_another_users_folders_and_files_are_named(place: Path) -> None:
    place.chmod(0o700)
    os.chown(place / "master", STRANGER, STRANGER)
    assert [(severity, str(place / "master") in what) for severity, what in said(place)] == [("weak", True)]
    os.chown(place, STRANGER, STRANGER)
    assert "belongs to another user (uid 65534)" in said(place)[0][1]


def test_a_place_that_is_not_there_is_none(tmp_path: Path) -> None:
    assert said(tmp_path / "nowhere") == []


def test_a_daemon_logs_a_line_for_each_place(place: Path) -> None:
    with capture_logs() as logs:
        tell_exposed([place])
    assert [(entry["event"], entry["path"]) for entry in logs] == [("files.exposed", str(place))]
