"""The identity part of the broker's config: what a real server accepts, with no secret in it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from fleetfold_broker.identity.master_nkeys import BrokerKeys
from fleetfold_broker.identity.server_accounts import identity_config
from fleetfold_broker.subjects import Subjects

STORE = "jetstream { store_dir: store }\n"


@pytest.mark.parametrize("prefix", ["fleet", "other-fleet"])
def test_the_server_accepts_it(nats_server: str, tmp_path: Path, prefix: str) -> None:
    file = tmp_path / "nats.conf"
    file.write_text(STORE + identity_config(BrokerKeys.generate().public, prefix), encoding="utf-8")
    said = subprocess.run([nats_server, "-t", "-c", str(file)], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr


def test_no_seed_stands_in_it_and_every_public_key_does() -> None:
    keys = BrokerKeys.generate()
    text = identity_config(keys.public)
    for name in ("issuer", "auth", "fleet", "sys"):
        assert getattr(keys, name) not in text
        assert getattr(keys.public, name) in text
    assert not re.search(r"\bS[AU][A-Z2-7]{56}\b", text)


def test_the_same_keys_give_the_same_text() -> None:
    public = BrokerKeys.generate().public
    assert identity_config(public) == identity_config(public)


def _passing(text: str, account: str, what: str) -> set[str]:
    """The subjects that `account` exports or imports."""
    body = re.search(rf"  {account} \{{.*?\n  \}}", text, re.DOTALL)
    assert body is not None
    part = re.search(rf"{what}: \[(.*?)\n    \]", body[0], re.DOTALL)
    assert part is not None
    return set(re.findall(r'"([^"]+)"', re.sub(r'to: "[^"]+"', "", part[1])))


def test_what_one_account_lets_out_the_other_takes_in() -> None:
    text = identity_config(BrokerKeys.generate().public)
    assert _passing(text, "FLEET", "exports") == _passing(text, "APP", "imports")
    assert _passing(text, "APP", "exports") == _passing(text, "FLEET", "imports")


def test_nothing_passes_in_both_directions_and_commands_and_the_streams_api_in_none() -> None:
    text = identity_config(BrokerKeys.generate().public)
    to_app, to_fleet = _passing(text, "FLEET", "exports"), _passing(text, "APP", "exports")
    assert not to_app & to_fleet
    command = Subjects().command().split(".")[1]
    assert not any(subject.startswith((f"fleet.{command}.", "$JS.API", "$SYS")) for subject in to_app | to_fleet)
    assert {subject for subject in to_app if subject.startswith("$JS")} == {"$JS.ACK.FLEET_CMD.*.>"}


def test_requests_of_service_discovery_come_with_the_name_of_who_asks() -> None:
    text = identity_config(BrokerKeys.generate().public)
    assert '{ service: { account: FLEET, subject: "fleet.srv.>" }, to: "$SRV.>", share: true }' in text


def test_another_prefix_stands_in_every_subject_of_the_fleet() -> None:
    text = identity_config(BrokerKeys.generate().public, "other")
    assert '"fleet.' not in text
    assert '"other.hb.*"' in text
