"""Where the stores of a fleet are on this machine, as its daemons find them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fleetfold.state_directory import state_directory
from fleetfold_child.ledger.node_audit import LEDGER
from fleetfold_shared.config import Config
from fleetfold_shared.errors import InvalidInput, NotFound
from fleetfold_shared.ids import check_node_name

__all__ = ["MASTER_PART", "BackupPlaces", "chosen_parts", "find_places", "node_of", "part_of"]

MASTER_PART = "master"
_NODES = "nodes/"
_SQLITE = "sqlite:///"


@dataclass(frozen=True, slots=True)
class BackupPlaces:
    """Folders of a fleet on this machine. `database` is the URL of the master's where it is not `master.db` in its
    folder; `nodes` are the folders of nodes by name, of others they are below `children`."""

    master: Path
    keys: Path
    tls: Path
    children: Path
    nodes: Mapping[str, Path]
    database: str | None = None

    @property
    def master_file(self) -> Path | None:
        """The master's SQLite file; `None` when its database is PostgreSQL."""
        if self.database is None:
            return self.master / "master.db"
        return Path(self.database.removeprefix(_SQLITE)) if self.database.startswith(_SQLITE) else None

    def with_master(self, folder: Path, keys: Path) -> BackupPlaces:
        """Return the places with those of a master that was told otherwise."""
        return replace(self, master=folder, keys=keys)

    def with_node(self, name: str, folder: Path) -> BackupPlaces:
        """Return the places with that of a node that was told otherwise."""
        return replace(self, nodes={**self.nodes, name: folder})

    def node(self, name: str) -> Path:
        """The folder of a node."""
        return self.nodes.get(name, self.children / name)


def find_places(config: Config, data: Path | None = None, database: str | None = None) -> BackupPlaces:
    """Return the folders that `fleetfold up`, `master` and `child` use with these settings, and `data` if it is
    given."""
    state = data or state_directory()
    master = data / "master" if data else Path(config.master.data or state / "master")
    keys = data / "keys" if data else Path(config.access.keys or state / "keys")
    found = {path.parent.name: path.parent for name in (LEDGER, "lance") for path in state.glob(f"children/*/{name}")}
    configured = {child.name: Path(child.data or state / "children" / child.name) for child in config.children}
    url = database or config.master.database
    return BackupPlaces(master, keys, state / "tls", state / "children", found | configured, url)


def chosen_parts(places: BackupPlaces, *, master: bool, nodes: Sequence[str]) -> list[str]:
    """Return the parts that are asked for, or all that are there. Raises `NotFound` for one that has no data."""
    there = {part_of(name) for name, folder in places.nodes.items() if (folder / LEDGER).exists()}
    if _has_master(places):
        there.add(MASTER_PART)
    wanted = [*([MASTER_PART] if master else []), *(part_of(check_node_name(name, "node")) for name in nodes)]
    for part in wanted:
        if part not in there:
            raise NotFound(f"{part}: {_folder(places, part)} has no database; name its place with --data", field="data")
    if not there:
        raise NotFound(
            f"data: neither {places.master} nor {places.children} has anything to back up; name its place with --data "
            "or --config",
            field="data",
        )
    return wanted or sorted(there)


def part_of(node: str) -> str:
    return f"{_NODES}{node}"


def node_of(part: str) -> str:
    """Return the name of the part's node. Raises `InvalidInput` for a name that no node can have."""
    if not part.startswith(_NODES):
        raise InvalidInput(f"part: {part[:80]!r} is unknown; a part is `master` or `nodes/NAME`", field="part")
    return check_node_name(part.removeprefix(_NODES), "node")


def _has_master(places: BackupPlaces) -> bool:
    return places.master_file is None or places.master_file.exists()


def _folder(places: BackupPlaces, part: str) -> Path:
    return places.master if part == MASTER_PART else places.node(node_of(part))
