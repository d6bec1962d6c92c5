"""What a database of before knows of its nodes, after the migration: states and labels mean what they did."""

from __future__ import annotations

import json
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text

from fleetfold_master import store as package
from fleetfold_master.nodes.labels import effective_labels
from fleetfold_master.nodes.node_rows import NodeRows
from fleetfold_master.store import Store

_ROW = text(
    "INSERT INTO node (name, state, description, title, labels, registered_at)"
    " VALUES (:name, :state, :description, '', :labels, 1.0)"
)
DECLARED = {"zone": "eu", "role": "shop"}


def _write_old(file: Path, **rows: tuple[str, dict[str, str] | None]) -> None:
    """A database as the revision before left it: by name a node's state and its operator's labels."""
    config = Config()
    config.set_main_option("script_location", str(Path(package.__file__).parent / "migrations"))
    described = json.dumps({"incarnation": "i", "version": "0.1.0", "labels": DECLARED})
    with create_engine(f"sqlite:///{file}").begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "r0011")
        for name, (state, labels) in rows.items():
            told = None if labels is None else json.dumps(labels)
            connection.execute(_ROW, {"name": name, "state": state, "description": described, "labels": told})


async def test_states_and_labels_that_operators_had_set_keep_their_meaning(tmp_path: Path) -> None:
    file = tmp_path / "master.db"
    _write_old(file, shop=("maintenance", {"zone": "us"}), blog=("active", None), crm=("incompatible", None))
    store = await Store.open(f"sqlite:///{file}")
    nodes = {node.name: node for node in await NodeRows(store).list()}
    await store.close()
    assert {name: node.assigned for name, node in nodes.items()} == {
        "shop": "maintenance", "blog": "active", "crm": "active",
    }  # fmt: skip
    assert effective_labels(DECLARED, nodes["shop"].labels) == {"zone": "us"}
    assert effective_labels(DECLARED, nodes["blog"].labels) == DECLARED
