"""Connecting: as whom, with what, and what is said to one who is not let in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from fleetfold.client import Client
from fleetfold.credentials import LocalKey, write_local_key
from fleetfold.state_directory import RunningFleet, announce
from fleetfold_broker.bus import Bus
from fleetfold_shared.credential_format import Credential
from fleetfold_shared.errors import InvalidInput, Unauthenticated

URL = "nats://127.0.0.1:4222"
KEY = Credential.mint("key", "ann")


class Door:
    """Stands where `Bus.connect` does: notes who comes, and may refuse."""

    def __init__(self) -> None:
        self.came: dict[str, Any] = {}
        self.refuses = False

    async def connect(self, url: str, caller: str, subjects: object, **how: Any) -> None:
        self.came = {"url": url, "caller": caller, **how}
        if self.refuses:
            raise Unauthenticated("refused")


@pytest.fixture(autouse=True)
def door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Door:
    for name in [name for name in os.environ if name.startswith("FLEETFOLD_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("FLEETFOLD_STATE", str(tmp_path))
    door = Door()
    monkeypatch.setattr(Bus, "connect", door.connect)
    return door


async def test_the_caller_is_who_the_key_names(door: Door, tmp_path: Path) -> None:
    await Client.connect(URL, name="somebody", key=KEY.text)
    assert (door.came["caller"], door.came["credential"].token()) == ("ann", KEY.text)
    write_local_key(tmp_path / "keys", LocalKey(URL, "cli", Credential.mint("key", "cli").text))
    await Client.connect(URL)
    assert door.came["caller"] == "cli"


async def test_without_a_key_the_caller_names_itself(door: Door) -> None:
    await Client.connect(URL)
    assert (door.came["caller"], door.came["credential"], door.came["tls"]) == ("client", None, None)
    await Client.connect(URL, name="tester")
    assert door.came["caller"] == "tester"
    with pytest.raises(InvalidInput, match="name"):
        await Client.connect(URL, name="a.>")


async def test_one_without_a_key_is_told_how_to_give_one(door: Door) -> None:
    door.refuses = True
    with pytest.raises(Unauthenticated) as refused:
        await Client.connect("nats://ann:hunter2@10.0.0.1:4222")
    for hint in ("nats://10.0.0.1:4222", "--key-file", "$FLEETFOLD_API_KEY_FILE", "fleetfold keys create"):
        assert hint in refused.value.message
    assert "hunter2" not in refused.value.message


async def test_one_whose_key_is_refused_is_told_which_it_was(door: Door, tmp_path: Path) -> None:
    door.refuses = True
    file = tmp_path / "key"
    file.write_text(KEY.text)
    file.chmod(0o600)
    with pytest.raises(Unauthenticated) as refused:
        await Client.connect(URL, key=file)
    for hint in ("ann", str(file), "fleetfold keys create"):
        assert hint in refused.value.message
    assert KEY.secret not in refused.value.message


async def test_tls_is_spoken_where_something_asks_for_it(door: Door, tmp_path: Path) -> None:
    await Client.connect("tls://127.0.0.1:4222")
    assert door.came["tls"] is not None
    with pytest.raises(InvalidInput, match=r"tls\.ca") as refused:
        await Client.connect(URL, ca=tmp_path / "nowhere.pem")
    assert "nowhere.pem" in refused.value.message


async def test_the_ca_of_the_fleet_that_runs_here_is_trusted_for_it_alone(door: Door, tmp_path: Path) -> None:
    announce(RunningFleet(URL, os.getpid(), "up", 1.0, ca=str(tmp_path / "ca.pem")))
    with pytest.raises(InvalidInput, match=r"tls\.ca"):  # it is looked for there
        await Client.connect(URL)
    await Client.connect("nats://10.0.0.1:4222")
    assert door.came["tls"] is None
