"""Opening of a node's database in a data directory that may have lost it.

An empty ledger says of every command that it never ran. So it is begun only in the directory of a new node: one without
credentials, documents or a log of sources. The ledger is the first file that a node makes there.
"""

from __future__ import annotations

from pathlib import Path

import structlog

from fleetfold_broker.quarantine import set_aside
from fleetfold_child.enrolment import credential_store
from fleetfold_child.ledger.ledger import Ledger
from fleetfold_child.ledger.node_audit import LEDGER
from fleetfold_child.ledger.node_database import DamagedDatabase
from fleetfold_shared.errors import Conflict
from fleetfold_storage.sqlite_integrity import absence

__all__ = ["LostDatabase", "open_ledger"]

log = structlog.get_logger(__name__)

WAY_OUT = (
    "restore it from a backup (`fleetfold backup restore`); or start with --new: then this node forgets which commands"
    " it has run, and the tables of its application in that file begin empty. The masters accept that at once if no job"
    " and no transaction of it is open; else it waits for `fleetfold nodes reconcile NODE --accept`"
)


class LostDatabase(Conflict):
    """The node's database is missing, empty or damaged: restore it, or let the node begin anew."""


async def open_ledger(data: Path, *, incarnation: str, new: bool = False) -> Ledger:
    """Open the ledger in `data`, or begin it for a new node.

    Raises `LostDatabase` for one that is lost or damaged, unless the node is to be `new`: then a damaged one is kept as
    `node.db.damaged-<time>`.
    """
    path = data / LEDGER
    if path.exists() and not path.is_file():
        raise Conflict(f"data: {path} cannot be opened (it is not a file); look at the file", field="data")
    lost = absence(path, "fleetfold_schema")
    found = _traces(data)
    if lost and found and not new:
        raise LostDatabase(
            f"data: {path} {lost}, but {', '.join(found)} beside it show that this node is not new; {WAY_OUT}",
            field="data",
        )
    if new and not lost:
        log.warning("node.is_not_new", file=str(path), advice="leave out --new: it would hide that the file is lost")
    try:
        return await Ledger.open(path, incarnation=incarnation)
    except DamagedDatabase as error:
        if not new:
            raise LostDatabase(f"data: {error.message}; {WAY_OUT}", field="data") from None
        log.warning("node.begins_anew", reason=error.message, moved_to=str(set_aside(path)))
        return await Ledger.open(path, incarnation=incarnation)


def _traces(data: Path) -> list[str]:
    """Return the files in `data` that only a node with a ledger makes."""
    wal = data / f"{LEDGER}-wal"
    named = [name for name in (credential_store.FILE, "sources.json", "collections.json") if (data / name).exists()]
    tables = ["lance"] if any((data / "lance").glob("*.lance")) else []
    return [*named, *tables, *([wal.name] if wal.is_file() and wal.stat().st_size else [])]
