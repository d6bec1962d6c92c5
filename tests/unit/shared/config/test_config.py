"""The settings: defaults, then the file, then the environment."""

from __future__ import annotations

import typing
from pathlib import Path

import msgspec
import pytest

from fleetfold_shared.config import BrokerConfig, ChildConfig, Config, LogConfig, MasterConfig, Reading, load, variables
from fleetfold_shared.errors import InvalidInput

TOML = """
url = "nats://bus:4222"

[broker]
port = 5000
store = "streams"

[master]
heartbeat_s = 2

[[children]]
name = "shop"
labels = { zone = "eu" }
collections = { products = "docs.jsonl", notes = "" }
actions = ["shop:ACTIONS"]
data = "/var/shop"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "fleet.toml"
    path.write_text(TOML)
    return path


def test_without_a_file_and_variables_there_are_defaults() -> None:
    assert load(None, {}) == Config()


def test_a_file_sets_what_it_names(file: Path) -> None:
    config = load(file, {})
    (shop,) = config.children
    assert config.url == "nats://bus:4222"
    assert (config.broker.port, config.broker.host) == (5000, "127.0.0.1")
    assert config.master.heartbeat_s == 2.0
    assert (shop.name, shop.labels, shop.actions) == ("shop", {"zone": "eu"}, ["shop:ACTIONS"])


def test_the_masters_own_collections_are_beside_the_file_and_no_variable(tmp_path: Path) -> None:
    file = tmp_path / "fleet.toml"
    file.write_text('[master]\ncollections = { notes = "notes.jsonl" }\n')
    assert load(file, {}).master.collections == {"notes": str(tmp_path / "notes.jsonl")}
    assert "FLEETFOLD_MASTER_COLLECTIONS" not in dict(variables())


def test_how_a_collection_is_read_stands_below_its_name(tmp_path: Path) -> None:
    file = tmp_path / "fleet.toml"
    file.write_text(
        '[master.reading.notes]\nid = "no"\n'
        '[[children]]\nname = "shop"\n[children.reading.products]\n'
        'text = ["topic"]\nfields = { price = "number" }\nformat = "html"\nseparator = ";"\nstrict = true\n'
    )
    config = load(file, {})
    assert config.master.reading == {"notes": Reading(id="no")}
    assert config.children[0].reading["products"] == Reading(
        text=["topic"], fields={"price": "number"}, format="html", separator=";", strict=True
    )
    file.write_text('[[children]]\nname = "shop"\n[children.reading.products]\nformat = "pdf"\n')
    with pytest.raises(InvalidInput, match="pdf"):
        load(file, {})


def test_paths_are_relative_to_the_file(file: Path) -> None:
    config = load(file, {})
    (shop,) = config.children
    assert config.broker.store == str(file.parent / "streams")
    assert shop.collections == {"products": str(file.parent / "docs.jsonl"), "notes": ""}
    assert shop.data == "/var/shop"
    assert config.master.data is None


def test_variables_come_over_the_file(file: Path) -> None:
    env = {"FLEETFOLD_BROKER_PORT": "6000", "FLEETFOLD_LOG_LEVEL": "debug", "FLEETFOLD_MASTER_HEARTBEAT_S": "0.5"}
    config = load(file, env)
    assert (config.broker.port, config.log.level, config.master.heartbeat_s) == (6000, "debug", 0.5)
    assert config.broker.store == str(file.parent / "streams")


def test_empty_and_unknown_variables_are_let_be() -> None:
    assert load(None, {"FLEETFOLD_URL": "", "FLEETFOLD_BROKER_PORT_4222_TCP_ADDR": "10.0.0.1"}) == Config()


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"FLEETFOLD_BROKER_PORT": "tcp://10.0.0.1:4222"}, "FLEETFOLD_BROKER_PORT: expected `int`"),
        ({"FLEETFOLD_BROKER_PORT": "70000"}, "FLEETFOLD_BROKER_PORT: expected `int` <= 65535"),
        ({"FLEETFOLD_LOG_FORMAT": "xml"}, "FLEETFOLD_LOG_FORMAT: invalid enum value 'xml'"),
        ({"FLEETFOLD_PREFIX": "a.b"}, "FLEETFOLD_PREFIX: not a usable name"),
    ],
)
def test_a_bad_variable_is_named(env: dict[str, str], said: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        load(None, env)
    assert refused.value.message.startswith(said)
    assert refused.value.field == next(iter(env))


@pytest.mark.parametrize(
    ("text", "field", "said"),
    [
        ("prot = 1", "prot", "there is no such key"),
        ("[broker]\nprot = 1", "broker.prot", "there is no such key"),
        ("[[children]]\ntype = 'app'", "children[0].name", "missing"),
        ("[[children]]\nname = 'The Shop'", "children[0].name", "not a usable name"),
        ("[[children]]\nname = 'a'\n[[children]]\nname = 'a'", "children[1].name", "is taken by another child"),
        ("[broker]\nport = '1'", "broker.port", "expected `int`, got `str`"),
        ("port = ", "config", "not TOML"),
    ],
)
def test_a_bad_file_is_refused_by_file_and_key(tmp_path: Path, text: str, field: str, said: str) -> None:
    path = tmp_path / "fleet.toml"
    path.write_text(text)
    with pytest.raises(InvalidInput) as refused:
        load(path, {})
    assert refused.value.field == field
    assert str(path) in refused.value.message
    assert said in refused.value.message


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be read: No such file"):
        load(tmp_path / "nowhere.toml", {})


@pytest.mark.parametrize("kind", [BrokerConfig, MasterConfig, ChildConfig, LogConfig])
def test_every_setting_is_described(kind: type[msgspec.Struct]) -> None:
    for name, hint in typing.get_type_hints(kind, include_extras=True).items():
        metas = getattr(hint, "__metadata__", ())
        assert any(meta.description for meta in metas if isinstance(meta, msgspec.Meta)), name


def test_every_setting_but_children_has_a_variable() -> None:
    named = dict(variables())
    assert named["FLEETFOLD_BROKER_PORT"] == "broker.port"
    assert named["FLEETFOLD_PREFIX"] == "prefix"
    assert not any("CHILDREN" in name for name in named)


def test_a_models_endpoint_is_set_with_its_key_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "fleet.toml"
    path.write_text('[ask]\nurl = "http://gpu:8000/v1"\nmodel = "small"\nkey_file = "model-key"\n')
    config = load(path, {"FLEETFOLD_ASK_MODEL": "large", "FLEETFOLD_ASK_FLOOR": "0.4", "FLEETFOLD_ASK_KEY": "s"})
    assert (config.ask.url, config.ask.model, config.ask.floor) == ("http://gpu:8000/v1", "large", 0.4)
    assert config.ask.key_file == str(tmp_path / "model-key")


@pytest.mark.parametrize(
    ("line", "key"), [('url = "gpu:8000"', "url"), ('model = ""', "model"), ("floor = 2", "floor")]
)
def test_a_models_endpoint_that_cannot_be_is_refused_by_its_key(tmp_path: Path, line: str, key: str) -> None:
    path = tmp_path / "fleet.toml"
    path.write_text(f"[ask]\n{line}\n")
    with pytest.raises(InvalidInput) as refused:
        load(path, {})
    assert refused.value.field == f"ask.{key}"


def test_a_variable_for_a_list_has_commas_between() -> None:
    places = ["https://a.example.org", "http://10.0.0.5:9000"]
    assert load(None, {"FLEETFOLD_CALLBACKS_ALLOW": ",".join(places)}).callbacks.allow == places
    with pytest.raises(InvalidInput, match="FLEETFOLD_RETENTION_JOBS_DAYS"):
        load(None, {"FLEETFOLD_RETENTION_JOBS_DAYS": "0"})
