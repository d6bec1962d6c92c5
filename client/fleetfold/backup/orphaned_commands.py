"""Work that a restored node has done and the restored master does not know: it was accepted after the master's copy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from fleetfold.backup.postgres_dump import ids_in
from fleetfold.backup.store_locations import BackupPlaces
from fleetfold_storage.sqlite_snapshot import open_copy

__all__ = ["UnknownWork", "find_unknown_work"]

_CLOCKS_APART_S = 300.0
"""How far the clocks of the master's and a node's machine may be apart. Older commands that the master does not know
are of work that its retention has deleted."""
_COMMANDS = (
    "SELECT id, action, coalesce(outcome, state) FROM fleetfold_command WHERE admitted_at >= ? ORDER BY admitted_at, id"
)
WorkKind = Literal["job", "transaction"]
_KINDS: Mapping[str, WorkKind] = {"j": "job", "t": "transaction"}


class UnknownWork(msgspec.Struct, frozen=True):
    """A command in a node's ledger whose job or transaction, `id`, the master does not have. `outcome` is how it ended,
    or `running`."""

    kind: WorkKind
    id: str
    node: str
    command: str
    action: str
    outcome: str


def find_unknown_work(places: BackupPlaces, ledgers: Mapping[str, Path], since: float) -> list[UnknownWork]:
    """Return the commands in the ledgers, by node, whose job or transaction the master's database does not have. No
    daemon may be running; `since` is the instant of the master's copy in Unix seconds."""
    known: Mapping[WorkKind, set[str]] = {"job": _ids(places, "job"), "transaction": _ids(places, "tx")}
    return [
        one for node, ledger in sorted(ledgers.items()) for one in _commands(node, ledger, since - _CLOCKS_APART_S)
        if one.id not in known[one.kind]
    ]  # fmt: skip


def _ids(places: BackupPlaces, table: Literal["job", "tx"]) -> set[str]:
    if (file := places.master_file) is None:
        return ids_in(places.database or "", table)
    with open_copy(file) as connection:
        return {row[0] for row in connection.execute(f"SELECT id FROM {table}")}  # noqa: S608 (two names of ours)


def _commands(node: str, ledger: Path, since: float) -> Iterable[UnknownWork]:
    with open_copy(ledger) as connection:
        for command, action, outcome in connection.execute(_COMMANDS, (since,)).fetchall():
            letter, _, rest = command.partition(".")
            if kind := _KINDS.get(letter):
                yield UnknownWork(kind, rest.partition(".")[0], node, command, action, outcome)
