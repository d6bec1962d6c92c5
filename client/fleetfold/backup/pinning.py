"""Which stores a backup holds, and the order in which they are pinned.

The master's database is pinned before the ledgers of the nodes. A node commits a result to its ledger before it sends
it, and the master commits it after that; so each result that the copied master knows, the copied ledgers know too, and
no node denies what its master believes. What a ledger knows beyond that is younger than the copied master: commands in
flight, which are sent again and answered from the ledger, and commands of work that was accepted meanwhile, which a
restore lists. All pins are made first, milliseconds apart, and the copying follows.

Of a node, the log of its sources comes first, then the ledger, then the tables of its collections: what the log or the
ledger says was indexed is in the tables. Documents beyond that are indexed again, which changes nothing.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

from fleetfold.backup.pinned_stores import PinnedContent, PinnedLance, PinnedSqlite, PinnedStore
from fleetfold.backup.secret_encryption import seal
from fleetfold.backup.store_locations import MASTER_PART, BackupPlaces, node_of
from fleetfold_child.data_lock import DataLock
from fleetfold_child.ledger.node_audit import LEDGER
from fleetfold_shared.errors import Conflict, NotFound
from fleetfold_shared.ids import new_id
from fleetfold_storage.lance_pin import tables_below

__all__ = ["SECRETS", "pin_all", "secret_files"]

SECRETS = "secrets.sealed"
"""Path of the encrypted secrets in a backup."""
_SOURCES = "sources.json"
_LINKS = ".backup-"


def pin_all(
    places: BackupPlaces, parts: Iterable[str], passphrase: str | None, opened: ExitStack
) -> Iterator[PinnedStore]:
    """Pin all stores of the parts, in their order; they are released with `opened`."""
    ordered = sorted(parts, key=lambda part: part != MASTER_PART)
    if MASTER_PART in ordered:
        yield _released_with(_master(places), opened)
    for part in ordered:
        place = places.master / "own" if part == MASTER_PART else places.node(node_of(part))
        folder = f"{MASTER_PART}/own" if part == MASTER_PART else part
        for store in _folder(folder, place, opened):
            yield _released_with(store, opened)
    found = secret_files(places, ordered)
    if found and passphrase:
        yield PinnedContent(SECRETS, seal(found, passphrase), "secrets")


def secret_files(places: BackupPlaces, parts: Iterable[str]) -> dict[str, bytes]:
    """Read the secrets of the parts: the master's keys and its certificates, and the credentials of nodes."""
    files: dict[str, Path] = {}
    for part in parts:
        if part == MASTER_PART:
            files |= {f"keys/{file.name}": file for file in _plain_files(places.keys)}
            files |= {f"tls/{file.name}": file for file in _plain_files(places.tls)}
        else:
            files[f"{part}/credentials.json"] = places.node(node_of(part)) / "credentials.json"
    found: dict[str, bytes] = {}
    for path, file in files.items():
        with contextlib.suppress(FileNotFoundError):
            found[path] = file.read_bytes()
    return found


def _plain_files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.glob("*") if file.is_file() and not file.name.startswith("."))


def _released_with(store: PinnedStore, opened: ExitStack) -> PinnedStore:
    opened.callback(store.close)
    return store


def _master(places: BackupPlaces) -> PinnedStore:
    if (file := places.master_file) is not None:
        if not file.exists():
            raise NotFound(f"master: there is no {file}; name its place with --data or --config", field="data")
        return PinnedSqlite("master/master.db", file)
    from fleetfold.backup.postgres_dump import PinnedPostgres

    assert places.database is not None
    return PinnedPostgres("master/master.dump", places.database)


def _folder(path: str, place: Path, opened: ExitStack) -> Iterator[PinnedStore]:
    with contextlib.suppress(FileNotFoundError):
        yield PinnedContent(f"{path}/{_SOURCES}", (place / _SOURCES).read_bytes())
    if (place / LEDGER).exists():
        yield PinnedSqlite(f"{path}/{LEDGER}", place / LEDGER)
    tables = tables_below(place / "lance")
    if tables:
        links = _links_folder(place, opened)
        for table in tables:
            yield PinnedLance(f"{path}/lance/{table.name}", table, links / table.name)


def _links_folder(place: Path, opened: ExitStack) -> Path:
    """A folder for pins, locked while this process lives; those of processes that died are removed."""
    for left in place.glob(f"{_LINKS}*"):
        with contextlib.suppress(Conflict), DataLock(left):
            shutil.rmtree(left, ignore_errors=True)
    links = place / f"{_LINKS}{new_id()}"
    opened.callback(shutil.rmtree, links, ignore_errors=True)
    opened.enter_context(DataLock(links))
    return links
