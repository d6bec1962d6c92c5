"""What guards a fleet that is run here: made at the first start, kept at the next, said loudly when there is none."""

from __future__ import annotations

import os
from io import StringIO
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from fleetfold.credentials import LocalKey, read_local_key
from fleetfold_cli.command_context import Terminal
from fleetfold_cli.daemons.keys_and_tls import in_the_open, keep_local_key, protection
from fleetfold_cli.daemons.running_daemons import guarded, warn_of_the_open
from fleetfold_cli.parsing.common_options import AccessOptions, BrokerAccessOptions
from fleetfold_shared.config import AccessConfig, Config, TlsConfig
from fleetfold_shared.errors import InvalidInput

URL = "nats://127.0.0.1:4222"


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("FLEETFOLD_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("FLEETFOLD_STATE", str(tmp_path))
    return tmp_path


def over(config: Config, access: AccessOptions) -> tuple[Config, str]:
    terminal = Terminal(StringIO(), StringIO(), StringIO())
    chosen = guarded(config, access, terminal)
    assert isinstance(terminal.err, StringIO)
    return chosen, terminal.err.getvalue()


@pytest.mark.parametrize(
    ("config", "access"),
    [(Config(), AccessOptions(insecure=True)), (Config(access=AccessConfig(insecure=True)), BrokerAccessOptions())],
)
def test_being_insecure_is_said_loudly_however_it_came_about(config: Config, access: AccessOptions) -> None:
    chosen, said = over(config, access)
    assert chosen.access.insecure
    assert said == "fleetfold: INSECURE: no identities; whoever connects may do everything, on every node\n"


def test_identities_are_on_unless_said_otherwise_and_nothing_is_said() -> None:
    chosen, said = over(Config(), BrokerAccessOptions())
    assert (chosen.access.insecure, chosen.tls.enabled, said) == (False, False, "")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.7", "broker.example.org"])
def test_listening_to_others_without_tls_is_said(host: str) -> None:
    terminal = Terminal(StringIO(), StringIO(), StringIO())
    warn_of_the_open(Config(), host, terminal)
    assert isinstance(terminal.err, StringIO)
    assert terminal.err.getvalue().startswith(f"fleetfold: the broker listens on {host} without TLS: ")
    assert in_the_open(host, tls=True) is None


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_listening_to_this_machine_alone_needs_no_tls(host: str) -> None:
    assert in_the_open(host, tls=False) is None


def test_options_come_before_settings(tmp_path: Path) -> None:
    config = Config(access=AccessConfig(keys="of-the-file"))
    assert over(config, AccessOptions())[0].access.keys == "of-the-file"
    assert over(config, AccessOptions(keys=tmp_path))[0].access.keys == str(tmp_path)
    assert over(config, BrokerAccessOptions(tls=True))[0].tls.enabled


def test_a_brokers_keys_are_made_once(state: Path) -> None:
    first = protection(Config(), state / "keys", "127.0.0.1")
    again = protection(Config(), state / "keys", "127.0.0.1")
    assert first.identity is not None
    assert first == again
    assert (first.tls, first.ca) == (None, None)
    assert (state / "keys" / "broker.json").stat().st_mode & 0o777 == 0o600


def test_an_insecure_broker_makes_no_keys(state: Path) -> None:
    assert protection(Config(access=AccessConfig(insecure=True)), state / "keys", "127.0.0.1").identity is None
    assert not (state / "keys").exists()


def test_certificates_are_made_where_none_are_named(state: Path) -> None:
    guard = protection(Config(tls=TlsConfig(enabled=True)), state / "keys", "127.0.0.1")
    assert guard.tls is not None
    assert guard.ca is not None
    assert Path(guard.ca).parent == Path(guard.tls.cert).parent == state / "tls"


def test_certificates_of_the_settings_are_taken(state: Path) -> None:
    guard = protection(Config(tls=TlsConfig(enabled=True, cert="c.pem", key="k.pem", ca="ca.pem")), state / "keys", "x")
    assert guard.tls is not None
    assert (guard.tls.cert, guard.tls.key, guard.ca) == ("c.pem", "k.pem", "ca.pem")
    with pytest.raises(InvalidInput, match="go together"):
        protection(Config(tls=TlsConfig(enabled=True, cert="c.pem")), state / "keys", "x")


class FakeMaster:
    """Takes the key `good`, and has `made` for who has none that it takes."""

    def __init__(self, good: str = "", made: str = "made") -> None:
        self.good, self.made = good, made

    async def local_key(self, existing: str | None) -> str:
        return existing if existing and existing == self.good else self.made


async def test_the_key_for_this_machine_is_made_once_and_again_when_it_is_no_longer_good(state: Path) -> None:
    keys = state / "keys"
    await keep_local_key(keys, URL, FakeMaster().local_key)
    assert read_local_key(keys) == LocalKey(URL, "cli", "made")
    before = (keys / "cli.json").stat().st_mtime_ns
    await keep_local_key(keys, URL, FakeMaster(good="made", made="other").local_key)
    assert (keys / "cli.json").stat().st_mtime_ns == before
    await keep_local_key(keys, URL, FakeMaster(made="fresh").local_key)
    assert read_local_key(keys) == LocalKey(URL, "cli", "fresh")


async def test_it_goes_along_when_the_fleet_moves(state: Path) -> None:
    await keep_local_key(state, URL, FakeMaster().local_key)
    await keep_local_key(state, "nats://127.0.0.1:5000", FakeMaster(good="made").local_key)
    assert read_local_key(state) == LocalKey("nats://127.0.0.1:5000", "cli", "made")


async def test_a_place_that_cannot_be_written_stops_no_master(state: Path) -> None:
    (state / "keys").write_text("a file, where a folder is wanted")
    with capture_logs() as logged:
        await keep_local_key(state / "keys", URL, FakeMaster(made="s3cret").local_key)
    assert [entry["event"] for entry in logged] == ["key.not_stored"]
    assert "s3cret" not in str(logged)
