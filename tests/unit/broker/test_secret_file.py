"""Files with secrets: made once whoever else tries, for their owner's eyes only, never half-written."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fleetfold_broker.secret_file import from_environment, read_or_create, replace, weakness
from fleetfold_shared.errors import InvalidInput

MAKER = """
import os, sys
from pathlib import Path
from fleetfold_broker.secret_file import read_or_create

sys.stdin.readline()
mine = os.urandom(200_000).hex().encode()
sys.stdout.buffer.write(read_or_create(Path(sys.argv[1]), lambda: mine))
"""


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "secret.json"


@pytest.fixture(autouse=True)
def _lax_umask() -> object:
    before = os.umask(0)
    yield
    os.umask(before)


def test_it_is_made_once_and_then_read(secret: Path) -> None:
    assert read_or_create(secret, lambda: b"first") == b"first"
    assert read_or_create(secret, lambda: b"second") == b"first"


def test_what_is_there_is_read_without_making_another(secret: Path) -> None:
    def never() -> bytes:
        raise AssertionError

    replace(secret, b"there")
    assert read_or_create(secret, never) == b"there"


@pytest.mark.parametrize("how", ["made", "replaced"])
def test_only_its_owner_may_read_it(secret: Path, how: str) -> None:
    if how == "made":
        read_or_create(secret, lambda: b"x")
    else:
        replace(secret, b"x")
    assert (_mode(secret), _mode(secret.parent)) == (0o600, 0o700)
    assert weakness(secret) is None


def test_a_replacement_closes_what_was_open_to_others(secret: Path) -> None:
    secret.parent.mkdir()
    secret.write_bytes(b"old")
    secret.chmod(0o644)
    replace(secret, b"new")
    assert (secret.read_bytes(), _mode(secret)) == (b"new", 0o600)


def test_processes_that_make_it_at_once_get_the_same(secret: Path) -> None:
    processes = [
        subprocess.Popen([sys.executable, "-c", MAKER, str(secret)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
    got = [process.communicate()[0] for process in processes]
    assert {len(each) for each in got} == {400_000}
    assert len(set(got)) == 1
    assert os.listdir(secret.parent) == [secret.name]  # noqa: PTH208 (hidden drafts as well)


def test_threads_that_replace_and_read_it_see_whole_files_only(secret: Path) -> None:
    whole = {bytes([letter]) * 300_000 for letter in b"abcd"}
    replace(secret, b"a" * 300_000)
    with ThreadPoolExecutor() as pool:
        writing = [pool.submit(replace, secret, each) for each in whole for _ in range(5)]
        seen = {pool.submit(secret.read_bytes).result() for _ in range(50)}
        for each in writing:
            each.result()
    assert seen <= whole
    assert list(secret.parent.iterdir()) == [secret]


def test_a_maker_that_fails_leaves_nothing(secret: Path) -> None:
    def fail() -> bytes:
        raise InvalidInput("no")

    with pytest.raises(InvalidInput):
        read_or_create(secret, fail)
    assert not secret.exists()
    assert not list(secret.parent.glob("*"))


def test_a_disk_that_is_full_leaves_what_was_there(secret: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace(secret, b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        replace(secret, b"new")
    assert secret.read_bytes() == b"old"
    assert list(secret.parent.iterdir()) == [secret]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_a_file_that_others_may_read_is_told_with_its_remedy(secret: Path, mode: int) -> None:
    replace(secret, b"x")
    secret.chmod(mode)
    told = weakness(secret)
    assert told is not None
    assert f"mode {mode:04o}" in told
    assert f"`chmod 600 {secret}`" in told


def test_a_file_that_is_not_there_is_no_weakness(secret: Path) -> None:
    assert weakness(secret) is None


def test_the_environment_gives_the_secret_or_the_file_it_is_in(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("  from the file\n")
    assert from_environment("KEY", {}) is None
    assert from_environment("KEY", {"KEY": "", "KEY_FILE": ""}) is None
    assert from_environment("KEY", {"KEY": " direct\n"}) == "direct"
    assert from_environment("KEY", {"KEY_FILE": str(file)}) == "from the file"
    assert from_environment("KEY", {"KEY": "direct", "KEY_FILE": str(file)}) == "direct"


@pytest.mark.parametrize("content", [None, b"\xff\xfe secret"])
def test_a_file_of_the_environment_that_cannot_be_read_is_named_and_not_shown(
    tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InvalidInput, match=r"^KEY_FILE: .* cannot be read: ") as told:
        from_environment("KEY", {"KEY_FILE": str(file)})
    assert told.value.field == "KEY_FILE"
    assert "xff" not in told.value.message
