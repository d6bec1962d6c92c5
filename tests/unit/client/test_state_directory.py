"""The state directory: a later command finds the fleet that runs, and never one that does not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fleetfold.state_directory import (
    RunningFleet,
    announce,
    announce_demo,
    find_url,
    fleet_at,
    running_fleet,
    state_directory,
    withdraw,
)
from fleetfold_shared.errors import InvalidInput, Unavailable


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "state"
    monkeypatch.setenv("FLEETFOLD_STATE", str(place))
    monkeypatch.delenv("FLEETFOLD_URL", raising=False)
    return place


@pytest.fixture
def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def fleet(pid: int | None = None, url: str = "nats://127.0.0.1:4222") -> RunningFleet:
    return RunningFleet(url=url, pid=os.getpid() if pid is None else pid, command="up", started_at=1.0)


def test_what_is_announced_is_found() -> None:
    announce(fleet())
    assert running_fleet() == fleet()
    assert find_url() == "nats://127.0.0.1:4222"


def test_the_fleet_announced_last_is_found() -> None:
    announce(fleet(url="nats://old:1"))
    announce(fleet(url="nats://new:1"))
    assert find_url() == "nats://new:1"


def test_a_fleet_is_not_found_before_it_is_announced_or_after_it_is_withdrawn() -> None:
    assert running_fleet() is None
    announce(fleet())
    withdraw(os.getpid())
    withdraw(os.getpid())
    assert running_fleet() is None


def test_a_process_withdraws_only_what_is_its_own() -> None:
    announce(fleet())
    withdraw(os.getpid() + 1)
    assert running_fleet() == fleet()


def test_the_fleet_of_a_dead_process_is_not_found(dead_pid: int) -> None:
    announce(fleet(dead_pid))
    assert running_fleet() is None
    with pytest.raises(Unavailable, match="fleetfold up"):
        find_url()


def test_another_users_process_is_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    announce(fleet(1))

    def refuse(_pid: int, _signal: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    assert running_fleet() == fleet(1)


@pytest.mark.parametrize("garbage", [b"", b"{", b"[]", b'{"url": 3}', b"\xff\xfe"])
def test_a_file_that_cannot_be_read_is_no_fleet_and_is_overwritten(place: Path, garbage: bytes) -> None:
    place.mkdir()
    (place / "fleet.json").write_bytes(garbage)
    withdraw(os.getpid())
    assert running_fleet() is None
    announce(fleet())
    assert running_fleet() == fleet()


def test_nothing_but_the_announcement_is_left_behind(place: Path) -> None:
    announce(fleet())
    assert [file.name for file in place.iterdir()] == ["fleet.json"]


def test_a_url_that_is_named_comes_before_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    announce(fleet())
    monkeypatch.setenv("FLEETFOLD_URL", "nats://environment:1")
    assert find_url() == "nats://environment:1"
    assert find_url("nats://named:1") == "nats://named:1"


def test_the_directory_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    assert state_directory() == place
    monkeypatch.delenv("FLEETFOLD_STATE")
    monkeypatch.setenv("XDG_STATE_HOME", "/xdg")
    assert state_directory() == Path("/xdg/fleetfold")
    monkeypatch.delenv("XDG_STATE_HOME")
    assert state_directory() == Path.home() / ".local" / "state" / "fleetfold"


def demo(url: str = "nats://demo:1", pid: int | None = None) -> RunningFleet:
    return RunningFleet(url=url, pid=os.getppid() if pid is None else pid, command="demo", started_at=1.0)


def test_a_demo_is_found_where_no_other_fleet_lives() -> None:
    announce_demo(demo())
    assert running_fleet() == demo()


@pytest.mark.parametrize("demo_first", [True, False])
def test_a_demo_never_hides_a_living_fleet_nor_is_lost_by_it(demo_first: bool) -> None:
    for say in (lambda: announce_demo(demo()), lambda: announce(fleet()))[:: 1 if demo_first else -1]:
        say()
    assert running_fleet() == fleet()
    assert fleet_at(demo().url) == demo()
    withdraw(demo().pid)
    assert running_fleet() == fleet()


def test_a_demo_that_outlives_a_fleet_is_found_then() -> None:
    announce(fleet())
    announce_demo(demo())
    withdraw(fleet().pid)
    assert running_fleet() == demo()


def test_of_two_demos_the_first_is_found(dead_pid: int) -> None:
    announce_demo(demo(pid=dead_pid))
    announce_demo(demo())
    announce_demo(demo("nats://second:1", os.getpid()))
    assert running_fleet() == demo()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_a_fleet_that_another_user_has_announced_is_refused(place: Path) -> None:
    announce(fleet())
    os.chown(place / "fleet.json", 65534, 65534)
    with pytest.raises(InvalidInput, match="another user"):
        find_url()
