"""The fleet's keys at the broker: made once, of the right kinds, read from where they are given, shown to nobody."""

from __future__ import annotations

import stat
from pathlib import Path

import msgspec
import pytest

from fleetfold_broker.identity.master_nkeys import BROKER_KEYS, BrokerKeys
from fleetfold_shared.errors import InvalidInput

KINDS = {"issuer": "A", "auth": "U", "fleet": "U", "sys": "U"}
"""The first letter of an nkey says what it is: an account, or a user."""


def _seeds(keys: BrokerKeys) -> list[str]:
    return [getattr(keys, name) for name in KINDS]


def test_they_are_made_when_missing_and_stay(tmp_path: Path) -> None:
    made = BrokerKeys.load(tmp_path / "keys", {})
    assert BrokerKeys.load(tmp_path / "keys", {}) == made
    assert BrokerKeys.load(tmp_path / "other", {}) != made
    file = tmp_path / "keys" / "broker.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_each_is_of_its_kind_and_different() -> None:
    keys = BrokerKeys.generate()
    public = keys.public
    assert {name: getattr(public, name)[0] for name in KINDS} == KINDS
    assert {name: getattr(keys, name)[:2] for name in KINDS} == {name: f"S{kind}" for name, kind in KINDS.items()}
    assert len(set(_seeds(keys))) == len(set(msgspec.to_builtins(public).values())) == 4


def test_the_environment_goes_first(tmp_path: Path) -> None:
    given, stored = BrokerKeys.generate(), BrokerKeys.load(tmp_path / "keys", {})
    text = msgspec.json.encode(given).decode()
    (tmp_path / "given.json").write_text(text + "\n")
    assert BrokerKeys.load(tmp_path / "keys", {BROKER_KEYS: text}) == given
    assert BrokerKeys.load(tmp_path / "keys", {f"{BROKER_KEYS}_FILE": str(tmp_path / "given.json")}) == given
    assert BrokerKeys.load(tmp_path / "keys", {}) == stored


def test_with_keys_from_the_environment_nothing_is_written(tmp_path: Path) -> None:
    text = msgspec.json.encode(BrokerKeys.generate()).decode()
    BrokerKeys.load(tmp_path / "keys", {BROKER_KEYS: text})
    assert not (tmp_path / "keys").exists()


def _spoilt() -> dict[str, bytes]:
    keys = msgspec.to_builtins(BrokerKeys.generate())
    seed: str = keys["fleet"]
    misread = seed[:20] + ("A" if seed[20] != "A" else "B") + seed[21:]
    return {
        "empty": b"",
        "no JSON": b"SUAM",
        "a list": b"[]",
        "one missing": msgspec.json.encode({name: seed for name, seed in keys.items() if name != "sys"}),
        "one too many": msgspec.json.encode({**keys, "operator": keys["sys"]}),
        "no seed": msgspec.json.encode({**keys, "fleet": "seed"}),
        "no ASCII": msgspec.json.encode({**keys, "fleet": "é" * 58}),
        "cut short": msgspec.json.encode({**keys, "fleet": seed[:-1]}),
        "a letter changed": msgspec.json.encode({**keys, "fleet": misread}),
        "a public key": msgspec.json.encode({**keys, "fleet": BrokerKeys(**keys).public.fleet}),
        "an account's where a user's belongs": msgspec.json.encode({**keys, "fleet": keys["issuer"]}),
        "a user's where an account's belongs": msgspec.json.encode({**keys, "issuer": keys["fleet"]}),
    }  # fmt: skip


@pytest.mark.parametrize(("why", "data"), _spoilt().items(), ids=_spoilt())
def test_what_is_no_such_document_is_refused_and_left_alone(tmp_path: Path, why: str, data: bytes) -> None:
    file = tmp_path / "broker.json"
    file.write_bytes(data)
    with pytest.raises(InvalidInput, match="these are no keys of a fleet's broker") as told:
        BrokerKeys.load(tmp_path, {})
    assert str(file) in told.value.message
    assert "\n" not in told.value.message
    assert "SU" not in told.value.message.replace(str(file), "")
    assert file.read_bytes() == data


def test_no_seed_is_shown() -> None:
    keys = BrokerKeys.generate()
    for text in (repr(keys), str(keys), f"{keys}", repr([keys]), repr(keys.public)):
        assert not any(seed in text for seed in _seeds(keys))
