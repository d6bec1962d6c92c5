"""`fleetfold config check`: each weakness is named with what to do; a sound fleet has none."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fleetfold.state_directory import RunningFleet, announce
from fleetfold_broker.secret_file import replace
from fleetfold_cli.daemons.configuration_audit import endless_admins, in_environment, in_settings
from fleetfold_shared.config import AccessConfig, AnsweringConfig, BrokerConfig, Config, TlsConfig
from fleetfold_shared.credential_format import Credential
from fleetfold_shared.messages import KeyInfo
from support.commandline import FakeFleet, Result, run_command

SECRET = Credential.mint("key", "ann").text


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("FLEETFOLD_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("FLEETFOLD_STATE", str(tmp_path))
    return tmp_path


def check(*words: str) -> Result:
    return run_command("config", "check", *words, fleet=FakeFleet(answer=[]))


def weak(result: Result) -> dict[str, str]:
    return {found["where"]: found["what"] for found in result.json["findings"] if found["severity"] == "weak"}


def test_a_new_fleet_is_sound(state: Path) -> None:
    replace(state / "keys" / "broker.json", b"{}")
    replace(state / "children" / "shop" / "credentials.json", b"{}")
    assert (check().code, check().out) == (0, "nothing weak found\n")
    assert check("--json").json == {"findings": []}


@pytest.mark.parametrize("file", ["keys/signing.json", "tls/ca.key", "children/shop/credentials.json"])
def test_a_secret_that_others_may_read_is_weak(state: Path, file: str) -> None:
    replace(state / file, b"{}")
    (state / file).chmod(0o640)
    result = check("--json")
    assert result.code == 1
    assert f"chmod 600 {state / file}" in weak(result)[str(state / file)]


def test_a_keys_directory_that_others_may_look_into_is_weak(state: Path) -> None:
    (state / "elsewhere").mkdir(mode=0o755)
    config = state / "fleet.toml"
    config.write_text('[access]\nkeys = "elsewhere"\n')
    assert "chmod 700" in weak(check("--config", str(config), "--json"))[str(state / "elsewhere")]


def test_the_files_of_a_fleet_with_a_place_of_its_own_are_looked_at(state: Path) -> None:
    place = state / "elsewhere"
    announce(RunningFleet("nats://127.0.0.1:1", os.getpid(), "up", 1.0, keys=str(place / "keys")))
    for file in (place / "keys" / "broker.json", place / "children" / "shop" / "credentials.json"):
        replace(file, b"{}")
        file.chmod(0o604)
    assert len(weak(check("--json"))) == 2


def test_a_broker_that_an_option_has_opened_to_others_is_weak(state: Path) -> None:
    announce(RunningFleet("nats://127.0.0.1:1", os.getpid(), "up", 1.0, host="0.0.0.0"))
    assert "listens on 0.0.0.0 without TLS" in weak(check("--json"))["the broker that runs here"]
    announce(RunningFleet("tls://127.0.0.1:1", os.getpid(), "up", 1.0, host="0.0.0.0"))
    assert "the broker that runs here" not in weak(check("--json"))


def test_data_that_others_may_read_is_weak(state: Path) -> None:
    (state / "master").mkdir()
    (state / "master" / "master.db").write_bytes(b"")
    for path, mode in ((state / "master" / "master.db", 0o644), (state / "master", 0o755), (state, 0o755)):
        path.chmod(mode)
    result = check("--json")
    assert str(state / "master" / "master.db") in weak(result)[str(state)]
    assert f"`chmod -R go= {state}`" in weak(result)[str(state)]


def test_files_that_the_environment_names_are_looked_at_too(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = state / "key"
    file.write_text(SECRET)
    file.chmod(0o644)
    monkeypatch.setenv("FLEETFOLD_API_KEY_FILE", str(file))
    result = check("--json")
    assert list(weak(result)) == [str(file)]
    assert SECRET not in result.out + result.err


def test_a_secret_in_a_variable_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEETFOLD_API_KEY", SECRET)
    result = check("--json")
    assert result.code == 0
    assert [(found["severity"], found["where"]) for found in result.json["findings"]] == [("note", "FLEETFOLD_API_KEY")]
    assert SECRET not in result.out + result.err


@pytest.mark.parametrize(
    ("config", "where"),
    [
        (Config(access=AccessConfig(insecure=True)), "access.insecure"),
        (Config(broker=BrokerConfig(host="0.0.0.0")), "broker.host"),
        (Config(broker=BrokerConfig(host="::")), "broker.host"),
        (Config(broker=BrokerConfig(host="192.168.0.4")), "broker.host"),
        (Config(url="nats://203.0.113.9:4222"), None),  # a documentation address is private to ipaddress
        (Config(url="nats://8.8.8.8"), "url"),
        (Config(url="nats://broker.example.com"), "url"),
        (Config(url="nats://10.0.0.1,nats://broker.example.com:4223"), "url"),
        (Config(url="tls://broker.example.com"), None),
        (Config(url="nats://broker.example.com", tls=TlsConfig(ca="ca.pem")), None),
        (Config(url="nats://10.0.0.1"), None),
        (Config(url="nats://broker:4222"), None),
        (Config(url="nats://nats.fleet.svc.cluster.local"), None),
        (Config(broker=BrokerConfig(host="0.0.0.0"), tls=TlsConfig(enabled=True)), None),
        (Config(broker=BrokerConfig(host="localhost")), None),
        (Config(broker=BrokerConfig(host="::1")), None),
    ],
)
def test_what_is_open_to_others_is_weak(config: Config, where: str | None) -> None:
    assert [found.where for found in in_settings(config) if found.severity == "weak"] == ([where] if where else [])


def test_a_password_in_the_url_is_noted_and_not_repeated() -> None:
    (found,) = in_settings(Config(url="tls://ann:hunter2@broker.example.com"))
    assert (found.severity, "hunter2" in found.what) == ("note", False)


def test_settings_that_let_strangers_try_are_notes() -> None:
    config = Config(access=AccessConfig(pending=True, failed_joins_per_minute=0))
    assert {found.where: found.severity for found in in_settings(config)} == {
        "access.pending": "note", "access.failed_joins_per_minute": "note",
    }  # fmt: skip


def test_a_setting_that_is_none_is_named(state: Path) -> None:
    config = state / "fleet.toml"
    config.write_text("[access]\ninsecur = true\n")
    result = check("--config", str(config), "--json")
    assert result.code == 1
    assert "access.insecur: there is no such key" in weak(result)["access.insecur"]


def test_a_variable_that_is_nearly_a_setting_is_noted() -> None:
    env = {"FLEETFOLD_ACESS_INSECURE": "1", "FLEETFOLD_SHOP_SERVICE_HOST": "10.0.0.1", "FLEETFOLD_STATE": "x"}
    (found,) = in_environment(env)
    assert (found.severity, found.what) == ("note", "there is no such setting: is it FLEETFOLD_ACCESS_INSECURE?")


def test_a_fleet_that_runs_without_identities_is_weak() -> None:
    announce(RunningFleet("nats://127.0.0.1:4222", os.getpid(), "up", 1.0, insecure=True))
    result = check("--json")
    assert (result.code, list(weak(result))) == (1, ["the broker at nats://127.0.0.1:4222"])


def test_admin_keys_that_never_end_are_noted_but_for_this_machines() -> None:
    def key(name: str, **facts: Any) -> KeyInfo:
        return msgspec.convert({"id": name, "name": name, "role": "admin", "created_at": 1.0, **facts}, KeyInfo)

    keys = [key("ann"), key("cli"), key("bob", role="reader"), key("eve", expires_at=9.0), key("old", revoked_at=2.0)]
    assert [found.where for found in endless_admins(keys)] == ["key ann"]


def test_the_key_of_a_model_that_others_may_read_is_weak_and_said_once(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = state / "model-key"
    file.write_text(SECRET)
    file.chmod(0o644)
    config = state / "fleet.toml"
    config.write_text('[ask]\nurl = "https://models.example.com/v1"\nmodel = "m"\nkey_file = "model-key"\n')
    monkeypatch.setenv("FLEETFOLD_ASK_KEY_FILE", str(file))
    result = check("--config", str(config), "--json")
    assert [found["where"] for found in result.json["findings"]] == [str(file)]
    assert SECRET not in result.out + result.err


@pytest.mark.parametrize(
    ("url", "is_weak"),
    [
        ("http://models.example.com/v1", True), ("https://a:b@models.example.com/v1", True),
        ("https://models.example.com/v1", False), ("http://127.0.0.1:11434/v1", False), ("http://gpu:8000/v1", False),
    ],
)  # fmt: skip
def test_a_model_that_is_reached_in_plain_text_over_the_internet_is_weak(url: str, is_weak: bool) -> None:
    found = list(in_settings(Config(ask=AnsweringConfig(url=url, model="m"))))
    assert [one.where for one in found] == (["ask.url"] if is_weak else [])
