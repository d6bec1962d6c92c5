"""The state directory: how one command finds the fleet that another has started."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import msgspec

from fleetfold_shared.errors import Unavailable

__all__ = ["RunningFleet", "announce", "find_url", "running_fleet", "state_directory", "withdraw"]

FILE = "fleet.json"


class RunningFleet(msgspec.Struct, frozen=True):
    """What a running `up`, `demo` or `broker` says of itself; `pid` is its process, `started_at` Unix seconds."""

    url: str
    pid: int
    command: str
    started_at: float


def state_directory() -> Path:
    """`$FLEETFOLD_STATE`, else `fleetfold` under `$XDG_STATE_HOME` or `~/.local/state`."""
    named = os.environ.get("FLEETFOLD_STATE")
    if named:
        return Path(named)
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "fleetfold"


def announce(fleet: RunningFleet) -> None:
    """Let later commands find `fleet`; written beside and moved into place, so that nobody reads half of it."""
    directory = state_directory()
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = directory / f"{FILE}.{fleet.pid}"
    draft.write_bytes(msgspec.json.encode(fleet))
    draft.replace(directory / FILE)


def withdraw(pid: int) -> None:
    """Take back what the process `pid` has announced, unless another has announced itself since."""
    fleet = _read()
    if fleet is not None and fleet.pid == pid:
        (state_directory() / FILE).unlink(missing_ok=True)


def running_fleet() -> RunningFleet | None:
    """The fleet announced last, if its process is alive."""
    fleet = _read()
    return fleet if fleet is not None and _alive(fleet.pid) else None


def find_url(url: str | None = None) -> str:
    """`url`, else `$FLEETFOLD_URL`, else the running fleet's; `Unavailable` when there is none of them."""
    found = url or os.environ.get("FLEETFOLD_URL")
    if found:
        return found
    fleet = running_fleet()
    if fleet is None:
        raise Unavailable("no fleet is running here: start one with `fleetfold up`, or name its broker with --url")
    return fleet.url


def _read() -> RunningFleet | None:
    with contextlib.suppress(OSError, msgspec.DecodeError):
        return msgspec.json.decode((state_directory() / FILE).read_bytes(), type=RunningFleet)
    return None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except OSError:
        return False
    return True
