"""The views of backups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from fleetfold_cli.views.text import ago, cell, grid, table

if TYPE_CHECKING:  # their modules load databases
    from fleetfold.backup import BackupEntry, BackupManifest, RemovedBackups, RestoredBackup, VerifiedBackup
    from fleetfold.backup.registry_import import ImportChange

__all__ = ["created", "exported", "imported", "listing", "restored", "verified"]

STATES = {"complete": "green", "incomplete": "yellow", "unreadable": "red"}
CHANGES = {"add": "green", "replace": "yellow", "clash": "red", "same": "dim"}
_UNITS = ("B", "kB", "MB", "GB", "TB")
MOST_LISTED = 20


def created(made: BackupManifest, removed: RemovedBackups, took_s: float) -> RenderableType:
    """What a new backup holds."""
    rows = table("store", "kind", "rows", "bytes", right=frozenset({"rows", "bytes"}))
    for store in made.stores:
        size = sum(file.bytes for file in made.below(store.path))
        rows.add_row(cell(store.path), store.kind, f"{sum(store.rows.values()):,}", _size(size))
    said = f"backup {made.id}: {_size(made.bytes)}, of which {_size(made.new_bytes)} are new, in {took_s:.1f} s"
    lines = [cell(said), *(cell(f"left out: {one}", "yellow") for one in made.left_out)]
    if removed.ids:
        lines.append(cell(f"removed: {', '.join(removed.ids)}; {_size(removed.bytes)} are free again"))
    return Group(*lines, rows)


def listing(found: Sequence[BackupEntry]) -> RenderableType:
    """One line a backup."""
    if not found:
        return Text("no backups yet: `fleetfold backup create`")
    rows = table("backup", "state", "begun", "host", "parts", "bytes", "new", right=frozenset({"bytes", "new"}))
    for one in found:
        what = one.problem or ", ".join(one.parts) + ("; without secrets" if one.left_out else "")
        rows.add_row(
            cell(one.id), Text(one.state, style=STATES[one.state]), ago(one.began_at), cell(one.host), cell(what),
            _size(one.bytes), _size(one.new_bytes),
        )  # fmt: skip
    return rows


def verified(found: VerifiedBackup) -> RenderableType:
    """Each store, and what is wrong with it."""
    rows = table("store", "kind", "rows", "", right=frozenset({"rows"}))
    for one in found.stores:
        verdict = cell(one.problem, "red") if one.problem else cell(one.note or "ok", "" if one.note else "green")
        rows.add_row(cell(one.path), one.kind, f"{one.rows:,}", verdict)
    whole = "as it was stored" if found.ok else "DAMAGED: do not rely on it"
    return Group(cell(f"backup {found.id}: {found.files:,} files, {_size(found.bytes)}, {whole}"), rows)


def restored(done: RestoredBackup) -> RenderableType:
    """Where it is now, and what is missing."""
    rows = grid()
    for part, folder in done.folders.items():
        rows.add_row(cell(part), cell(f"is in {folder}"))
    lines = [cell(f"left out: {one}", "yellow") for one in done.left_out]
    lines += [cell(f"moved aside: {one}") for one in done.moved]
    return Group(cell(f"backup {done.id}: {_size(done.bytes)} restored"), rows, *lines, *_unknown(done))


def exported(file: str, counts: Mapping[str, int]) -> RenderableType:
    """How much was written."""
    return cell(f"{file}: {', '.join(f'{count:,} {name}' for name, count in counts.items())}")


def imported(changes: Sequence[ImportChange], *, dry_run: bool) -> RenderableType:
    """What was changed, or would be; without what is the same."""
    same = sum(change.change == "same" for change in changes)
    rows = table("", "what", "name", "")
    for one in changes:
        if one.change != "same":
            why = one.reason or ", ".join(one.fields)
            rows.add_row(Text(one.change, style=CHANGES[one.change]), one.part, cell(one.name), cell(why))
    said = f"{len(changes) - same:,} {'would change' if dry_run else 'changed'}, {same:,} are there already"
    return Group(cell(said), *([rows] if len(changes) > same else []))


def _unknown(done: RestoredBackup) -> list[RenderableType]:
    if not done.unknown:
        return []
    rows = table("node", "what", "id", "action", "outcome")
    for one in done.unknown[:MOST_LISTED]:
        rows.add_row(cell(one.node), one.kind, cell(one.id), cell(one.action), cell(one.outcome))
    works = len({(one.kind, one.id) for one in done.unknown})
    said = (
        f"{works:,} jobs and transactions were accepted after the master was copied, and nodes have worked on them; "
        "the master does not know them. Undo by hand what is half done, or send them again under the same ids:"
    )
    more = len(done.unknown) - MOST_LISTED
    return [cell(said, "yellow"), rows, *([cell(f"and {more:,} more: see --json")] if more > 0 else [])]


def _size(count: int) -> str:
    size, unit = float(count), 0
    while size >= 1000 and unit < len(_UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.0f} {_UNITS[unit]}" if unit == 0 else f"{size:.1f} {_UNITS[unit]}"
