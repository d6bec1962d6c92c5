"""The state directory: how a command finds the fleet that another one has started."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import msgspec

from fleetfold_broker.secret_file import check_owner, replace
from fleetfold_shared.errors import InvalidInput, Unavailable
from fleetfold_shared.urls import listeners, server_urls

__all__ = [
    "RunningFleet", "announce", "announce_demo", "find_url", "fleet_at", "running_fleet", "same_place",
    "state_directory", "withdraw",
]  # fmt: skip

FILE, DEMO = "fleet.json", "demo.json"
"""A demo announces itself in a file of its own, so that it never hides a fleet that lives."""


class RunningFleet(msgspec.Struct, frozen=True):
    """The announcement of a running `up`, `demo` or `broker`; `pid` is its process, `started_at` Unix seconds.

    `keys` is the directory of its secrets, `ca` the file of the CA that signed its certificate: both are named alone.
    `host` is the address that its broker listens on.
    """

    url: str
    pid: int
    command: str
    started_at: float
    keys: str | None = None
    ca: str | None = None
    insecure: bool = False
    host: str = ""


def state_directory() -> Path:
    """`$FLEETFOLD_STATE`, else `fleetfold` under `$XDG_STATE_HOME` or `~/.local/state`."""
    named = os.environ.get("FLEETFOLD_STATE")
    if named:
        return Path(named)
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "fleetfold"


def announce(fleet: RunningFleet) -> None:
    """Store `fleet` for later commands."""
    replace(state_directory() / FILE, msgspec.json.encode(fleet))


def announce_demo(fleet: RunningFleet) -> None:
    """Store a demo for later commands, if no other fleet is running; of several demos, the first one."""
    if _living(DEMO) is None:
        replace(state_directory() / DEMO, msgspec.json.encode(fleet))


def withdraw(pid: int) -> None:
    """Remove what the process `pid` has stored, unless another has stored itself since."""
    for file in (FILE, DEMO):
        with contextlib.suppress(InvalidInput):
            fleet = _read(file)
            if fleet is not None and fleet.pid == pid:
                (state_directory() / file).unlink(missing_ok=True)


def running_fleet() -> RunningFleet | None:
    """The fleet announced last, if its process is alive; else a demo that is. `InvalidInput` for what another user has
    announced, who could have this user's key shown to a broker of theirs.
    """
    return _living(FILE) or _living(DEMO)


def find_url(url: str | None = None) -> str:
    """`url`, else `$FLEETFOLD_URL`, else the running fleet's; `Unavailable` when there is none of them.

    The servers of a cluster are separated by commas. `InvalidInput` for what is no URL of a broker.
    """
    found = url or os.environ.get("FLEETFOLD_URL")
    if found:
        server_urls(found)
        return found
    fleet = running_fleet()
    if fleet is None:
        raise Unavailable("no fleet is running here: start one with `fleetfold up`, or name its broker with --url")
    return fleet.url


def fleet_at(url: str) -> RunningFleet | None:
    """The fleet that runs here, if its broker listens at `url`."""
    living = (_living(file) for file in (FILE, DEMO))
    return next((fleet for fleet in living if fleet is not None and same_place(fleet.url, url)), None)


def same_place(known: str, asked: str) -> bool:
    """Whether every listener that `asked` names is one of `known`, literally: another name of a host may be another
    listener.
    """
    named = listeners(asked)
    return known == asked or (bool(named) and named <= listeners(known))


def _living(file: str) -> RunningFleet | None:
    fleet = _read(file)
    return fleet if fleet is not None and _alive(fleet.pid) else None


def _read(file: str) -> RunningFleet | None:
    path = state_directory() / file
    with contextlib.suppress(OSError, msgspec.DecodeError):
        check_owner(path)
        return msgspec.json.decode(path.read_bytes(), type=RunningFleet)
    return None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except OSError:
        return False
    return True
