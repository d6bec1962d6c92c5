"""File locks: one holder at a time, known by its process id, and free again however the holder ends."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from fleetfold_broker import file_lock
from fleetfold_broker.file_lock import FileLock
from fleetfold_shared.errors import Conflict

HOLD = """
import sys, pathlib
from fleetfold_broker.file_lock import FileLock
assert FileLock(pathlib.Path(sys.argv[1])).acquire()
print("held", flush=True)
sys.stdin.read()
"""


def test_a_held_lock_is_refused_until_it_is_released(tmp_path: Path) -> None:
    first, second = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert first.acquire()
    assert not second.acquire()
    first.release()
    first.release()
    assert second.acquire()
    second.release()


def test_the_holder_is_known_and_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert FileLock(path).holder() == "unknown"
    with FileLock(path).claim("in use"):
        assert FileLock(path).holder() == str(os.getpid())
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_claim_of_a_held_lock_is_a_conflict_in_the_callers_words(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with FileLock(path).claim("in use"), pytest.raises(Conflict, match="another master uses it"):
        FileLock(path).claim("another master uses it: stop it")


def test_a_claim_waits_for_a_lock_that_is_released_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = FileLock(tmp_path / "lock").claim("in use")
    monkeypatch.setattr(file_lock.time, "sleep", lambda _: held.release())
    FileLock(tmp_path / "lock").claim("in use", timeout_s=3600.0).release()


def test_a_lock_is_not_taken_through_a_symbolic_link(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"):
        FileLock(tmp_path / "lock").acquire()


def test_a_killed_holder_leaves_the_lock_free(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "lock")
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "lock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert not lock.acquire()
        holder.kill()
    assert lock.acquire()
    lock.release()
