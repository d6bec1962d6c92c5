"""Files and folders that are their owner's alone, and files that another user has put among them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleetfold_broker.secret_file import (
    check_owner,
    keep_private,
    planted_by,
    private_file,
    private_folder,
    read_or_create,
    weakness,
)
from fleetfold_shared.errors import InvalidInput

STRANGER = 65534


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(autouse=True)
def lax_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """A file of another user in a folder of ours."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a file to another user")
    file = tmp_path / "broker.json"
    file.write_bytes(b"{}")
    file.chmod(0o600)
    os.chown(file, STRANGER, STRANGER)
    return file


def test_every_level_of_a_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "one" / "two" / "three"
    private_folder(folder)
    assert {mode(level) for level in (folder, *list(folder.parents)[:2])} == {0o700}


def test_a_folder_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir(mode=0o755)
    private_folder(tmp_path / "there")
    private_folder(tmp_path / "there" / "new")
    assert (mode(tmp_path / "there"), mode(tmp_path / "there" / "new")) == (0o755, 0o700)


def test_a_file_is_made_for_its_owner_alone_and_never_emptied(tmp_path: Path) -> None:
    private_file(tmp_path / "node.db")
    assert mode(tmp_path / "node.db") == 0o600
    (tmp_path / "node.db").write_bytes(b"rows")
    private_file(tmp_path / "node.db")
    assert (tmp_path / "node.db").read_bytes() == b"rows"


def test_a_private_process_makes_files_for_its_owner_alone(tmp_path: Path) -> None:
    keep_private()
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"")
    assert (mode(tmp_path / "folder"), mode(tmp_path / "file")) == (0o700, 0o600)


def test_a_secret_that_another_user_has_put_there_is_refused(planted: Path) -> None:
    with pytest.raises(InvalidInput, match=rf"{planted}: another user \(uid {STRANGER}\) has put it there"):
        read_or_create(planted, lambda: b"ours")
    assert "put there by another user" in (weakness(planted) or "")


def test_a_link_that_another_user_has_put_there_is_refused(planted: Path) -> None:
    link, ours = planted.with_name("signing.json"), planted.with_name("ours")
    ours.write_bytes(b"{}")
    link.symlink_to(ours)
    os.chown(link, STRANGER, STRANGER, follow_symlinks=False)
    with pytest.raises(InvalidInput):
        check_owner(link)


def test_a_link_to_another_users_file_is_refused(planted: Path) -> None:
    link = planted.with_name("signing.json")
    link.symlink_to(planted)
    with pytest.raises(InvalidInput):
        read_or_create(link, lambda: b"ours")


def test_our_own_link_to_our_own_file_is_used(tmp_path: Path) -> None:
    (tmp_path / "mounted").write_bytes(b"secret")
    (tmp_path / "broker.json").symlink_to(tmp_path / "mounted")
    assert read_or_create(tmp_path / "broker.json", lambda: b"other") == b"secret"


def test_files_of_the_folders_owner_are_no_plants(planted: Path) -> None:
    os.chown(planted.parent, STRANGER, STRANGER)
    assert planted_by(planted) is None
