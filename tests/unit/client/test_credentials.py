"""Finding the API key to show: the one given, the environment's, this machine's; and never to another's broker."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from fleetfold.credentials import LocalKey, find_api_key, find_key, keys_directory, read_local_key, write_local_key
from fleetfold.state_directory import RunningFleet, announce
from fleetfold_shared.credential_format import Credential
from fleetfold_shared.errors import InvalidInput

URL = "nats://127.0.0.1:4222"
KEYS = {name: Credential.mint("key", name).text for name in ("given", "environment", "cli", "kept")}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("FLEETFOLD_URL", "FLEETFOLD_API_KEY", "FLEETFOLD_API_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FLEETFOLD_STATE", str(tmp_path / "state"))
    return tmp_path


def kept(directory: Path, url: str = URL, name: str = "kept") -> None:
    write_local_key(directory, LocalKey(url, name, KEYS[name]))


def running(place: Path, url: str = URL, **more: object) -> None:
    facts = {"url": url, "pid": os.getpid(), "command": "up", "started_at": 1.0, "keys": str(place / "keys"), **more}
    announce(msgspec.convert(facts, RunningFleet))


def file_of(path: Path, name: str, mode: int = 0o600) -> Path:
    path.write_text(f"{KEYS[name]}\n")
    path.chmod(mode)
    return path


def who(url: str = URL, given: str | Path | None = None) -> str | None:
    found = find_api_key(url, given)
    assert found is None or found.token() == KEYS[found.name]
    return None if found is None else found.name


def test_what_is_given_comes_before_the_environment_and_that_before_this_machine(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert who() is None
    kept(place / "state" / "keys")
    assert who() == "kept"
    running(place)
    kept(place / "keys", name="cli")
    assert who() == "cli"
    monkeypatch.setenv("FLEETFOLD_API_KEY_FILE", str(file_of(place / "key", "environment")))
    assert who() == "environment"
    monkeypatch.delenv("FLEETFOLD_API_KEY_FILE")
    monkeypatch.setenv("FLEETFOLD_API_KEY", KEYS["environment"])
    assert who() == "environment"
    assert who(given=KEYS["given"]) == "given"
    assert who(given=file_of(place / "given", "given")) == "given"
    assert find_key(URL) == KEYS["environment"]


@pytest.mark.parametrize(
    "elsewhere", ["nats://10.0.0.7:4222", "nats://127.0.0.1:4223", "nats://localhost:4222", f"{URL},nats://10.0.0.7:1"]
)
def test_this_machines_key_is_shown_to_no_other_broker(place: Path, elsewhere: str) -> None:
    kept(place / "state" / "keys")
    running(place)
    kept(place / "keys", name="cli")
    assert who(elsewhere) is None


def test_a_fleet_that_runs_here_has_its_key_wherever_it_listened_before(place: Path) -> None:
    running(place, "nats://127.0.0.1:5000")
    kept(place / "keys", name="cli")
    assert who("nats://127.0.0.1:5000") == "cli"


@pytest.mark.parametrize(
    "url", ["nats://127.0.0.1", "127.0.0.1:4222", "nats://ann:secret@127.0.0.1:4222", "tls://127.0.0.1"]
)
def test_a_url_is_the_same_however_it_is_written(place: Path, url: str) -> None:
    kept(place / "state" / "keys")
    assert who(url) == "kept"


def test_this_machines_key_is_for_each_server_of_its_cluster_and_for_no_other(place: Path) -> None:
    kept(place / "state" / "keys", url="nats://a:4222,nats://b:4222")
    assert who("nats://a:4222") == who("nats://b,nats://a") == "kept"
    assert who("nats://a,nats://c") is None


def test_an_insecure_fleet_is_shown_no_key_of_this_machine(place: Path) -> None:
    kept(place / "state" / "keys")
    running(place, keys=None, insecure=True)
    assert who() is None


def test_a_keys_directory_without_a_key_is_no_reason_to_stop(place: Path) -> None:
    running(place)
    assert who() is None
    (place / "keys").mkdir()
    (place / "keys" / "cli.json").write_bytes(b'{"url": "nats')
    assert who() is None
    assert read_local_key(place / "keys") is None


def test_the_secrets_of_the_running_fleet_are_where_it_says(place: Path) -> None:
    assert keys_directory(URL) == place / "state" / "keys"
    running(place)
    assert keys_directory(URL) == place / "keys"
    assert keys_directory("nats://elsewhere:1") == place / "state" / "keys"


def test_a_key_that_others_may_read_is_used_with_a_warning(place: Path) -> None:
    with capture_logs() as logged:
        assert who(given=file_of(place / "key", "given", 0o644)) == "given"
    assert [(entry["log_level"], entry["event"]) for entry in logged] == [("warning", "key.exposed")]
    assert "chmod 600" in logged[0]["reason"]
    assert KEYS["given"] not in str(logged)


def test_this_machines_key_is_for_its_owner_alone(place: Path) -> None:
    kept(place / "keys")
    assert (place / "keys" / "cli.json").stat().st_mode & 0o777 == 0o600
    assert (place / "keys").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "text",
    ["", "ffk_cli.short", "hunter2", Credential.mint("join", "shop").text, KEYS["cli"][:-1]],
    ids=["nothing", "short", "a password", "a join token", "truncated"],
)
def test_what_is_no_api_key_is_refused_without_repeating_it(place: Path, text: str) -> None:
    (place / "key").write_text(text)
    for given in (text, place / "key"):
        with pytest.raises(InvalidInput) as refused:
            find_api_key(URL, given)
        assert text.rpartition(".")[2] not in refused.value.message or not text
    with pytest.raises(InvalidInput, match="nowhere: cannot be read"):
        find_api_key(URL, Path("nowhere"))


async def test_a_refused_key_is_read_again_where_it_came_from(place: Path) -> None:
    file = file_of(place / "key", "given")
    found = find_api_key(URL, file)
    assert found is not None
    fresh = Credential.mint("key", "given").text
    file.write_text(fresh)
    assert found.token() == KEYS["given"]
    await found.refused()
    assert found.token() == fresh
    file.write_text(KEYS["cli"])  # another's: this one goes on as who it is
    await found.refused()
    file.unlink()
    await found.refused()
    assert (found.name, found.token()) == ("given", fresh)


async def test_this_machines_key_is_read_again_too(place: Path) -> None:
    kept(place / "state" / "keys")
    found = find_api_key(URL)
    assert found is not None
    fresh = Credential.mint("key", "kept").text
    write_local_key(place / "state" / "keys", LocalKey(URL, "kept", fresh))
    await found.refused()
    assert found.token() == fresh


def test_no_representation_shows_a_secret(place: Path) -> None:
    kept(place / "state" / "keys")
    secret = KEYS["kept"].rpartition(".")[2]
    shown = [repr(find_api_key(URL)), str(find_api_key(URL)), repr(read_local_key(place / "state" / "keys"))]
    assert not any(secret in one for one in shown)
