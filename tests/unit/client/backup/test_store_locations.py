"""Where the data of a fleet is looked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetfold.backup import find_places
from fleetfold.backup.store_locations import node_of
from fleetfold_shared.config import ChildConfig, Config, MasterConfig
from fleetfold_shared.errors import InvalidInput


def test_the_folders_are_those_of_the_settings_else_of_the_state_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEETFOLD_STATE", str(tmp_path))
    (tmp_path / "children" / "blog" / "lance").mkdir(parents=True)
    config = Config(master=MasterConfig(data="/srv/master"), children=[ChildConfig(name="shop", data="/srv/shop")])
    places = find_places(config)
    assert (places.master, places.keys) == (Path("/srv/master"), tmp_path / "keys")
    assert places.master_file == Path("/srv/master/master.db")
    assert places.nodes == {"blog": tmp_path / "children" / "blog", "shop": Path("/srv/shop")}
    assert places.node("crm") == tmp_path / "children" / "crm"


def test_data_names_the_place_of_all(tmp_path: Path) -> None:
    places = find_places(Config(master=MasterConfig(data="/srv/master")), tmp_path)
    assert (places.master, places.keys, places.tls) == (tmp_path / "master", tmp_path / "keys", tmp_path / "tls")


def test_a_database_by_url_is_a_file_or_a_server(tmp_path: Path) -> None:
    assert find_places(Config(), tmp_path, "sqlite:////srv/fleet.db").master_file == Path("/srv/fleet.db")
    assert find_places(Config(), tmp_path, "postgresql://db/fleet").master_file is None


@pytest.mark.parametrize("part", ["keys", "nodes/../shop", "nodes/", "node/shop"])
def test_a_part_that_is_none_is_refused(part: str) -> None:
    with pytest.raises(InvalidInput):
        node_of(part)
