"""`fleetfold backup`: backups of the fleet's data on this machine, and exports of its registry."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from fleetfold_cli.command_context import Injected
from fleetfold_cli.error_exit import FAILED, OK, PARTLY
from fleetfold_cli.parsing.common_options import OUTPUT, Days, Flag, Many, Option, OutputOptions
from fleetfold_cli.views import backup_view as views
from fleetfold_shared.config import Config, load
from fleetfold_shared.errors import InvalidInput

if TYPE_CHECKING:  # `fleetfold --help` needs none of it
    from fleetfold.backup import BackupPlaces, BackupTarget

__all__ = ["backup"]


@Parameter(name="*", group="Where the data is")
@dataclass(frozen=True, slots=True)
class StoreOptions:
    """The places of the data, as `fleetfold up` takes them."""

    config: Annotated[
        Path | None, Option(env_var="FLEETFOLD_CONFIG", show_env_var=True, help="A TOML file of settings.")
    ] = None
    data: Annotated[Path | None, Option(help="Where all of it keeps its data.", show_default="the state directory")] = (
        None
    )
    database: Annotated[
        str | None, Option(help="The URL of the master's database; rather `$FLEETFOLD_MASTER_DATABASE`.")
    ] = None

    def settings(self) -> Config:
        """The settings of file and environment."""
        return load(self.config, os.environ)

    def places(self, settings: Config) -> BackupPlaces:
        """The folders on this machine."""
        from fleetfold.backup import find_places
        from fleetfold_broker.secret_file import from_environment

        database = self.database or from_environment("FLEETFOLD_MASTER_DATABASE", os.environ)
        return find_places(settings, self.data, database)


STORES = StoreOptions()

Target = Annotated[
    str | None,
    Parameter(help="A directory, or a URL such as `s3://BUCKET/FOLDER`; else `backup.target` of the settings."),
]
Which = Annotated[str | None, Option(name="--backup", help="Which backup.", show_default="the newest complete one")]
Master = Annotated[bool, Flag(help="The master's data, and the fleet's keys.")]
Node = Annotated[tuple[str, ...], Many(help="The data of this node.")]
Secret = Annotated[
    Path | None, Option(help="The file of the passphrase for secrets; else `$FLEETFOLD_BACKUP_PASSPHRASE_FILE`.")
]

backup = App(
    name="backup",
    help="Backups of the data on this machine, made beside what runs. They are of files, so no key of the fleet is "
    "asked for: whoever may read the data may back it up.",
)


@backup.command
def create(
    target: Target = None,
    /,
    *,
    master: Master = False,
    node: Node = (),
    keep: Annotated[int | None, Option(help="How many of the latest stay, of the same parts; without it, all.")] = None,
    keep_days: Annotated[float | None, Days(help="Younger ones stay too.")] = None,
    passphrase_file: Secret = None,
    stores: StoreOptions = STORES,
    output: OutputOptions = OUTPUT,
    terminal: Injected,
) -> None:
    """Back up the master and the nodes on this machine, or those that are named.

    What runs goes on meanwhile. Each database is copied as it was at one instant; what the target has already
    is not copied again. Keys and credentials are encrypted with the passphrase, and left out without one.
    """
    from fleetfold.backup import BackupRetention, RemovedBackups, apply_retention, chosen_parts, create_backup

    settings = stores.settings()
    places, place = stores.places(settings), _target(target, settings)
    given = settings.backup
    rule = BackupRetention(given.keep if keep is None else keep, given.keep_days if keep_days is None else keep_days)
    rule.check()
    parts = chosen_parts(places, master=master, nodes=node)
    began = time.monotonic()
    made = create_backup(place, places, parts, passphrase=_passphrase(passphrase_file, settings))
    took_s = round(time.monotonic() - began, 3)
    limited = rule != BackupRetention()
    removed = apply_retention(place, rule) if limited else RemovedBackups()
    said = {
        "id": made.id, "parts": made.parts, "files": len(made.files), "bytes": made.bytes, "new_bytes": made.new_bytes,
        "took_s": took_s, "stores": made.stores, "left_out": made.left_out, "removed": removed,
    }  # fmt: skip
    terminal.show(output, said, lambda: views.created(made, removed, took_s))


@backup.command(name="list")
def listing(
    target: Target = None, /, *, stores: StoreOptions = STORES, output: OutputOptions = OUTPUT, terminal: Injected
) -> None:
    """The backups of a target, the newest first, with those that are incomplete."""
    from fleetfold.backup import list_backups

    found = list_backups(_target(target, stores.settings()))
    terminal.show(output, {"backups": found}, lambda: views.listing(found))


@backup.command
def verify(
    target: Target = None,
    /,
    *,
    backup: Which = None,
    passphrase_file: Secret = None,
    stores: StoreOptions = STORES,
    output: OutputOptions = OUTPUT,
    terminal: Injected,
) -> int:
    """Read all of a backup: its digests, each database and each table, and their rows.

    The exit code is 1 when something is wrong with it.
    """
    from fleetfold.backup import find_backup, verify_backup

    settings = stores.settings()
    place = _target(target, settings)
    found = verify_backup(place, find_backup(place, backup), _passphrase(passphrase_file, settings))
    terminal.show(output, found, lambda: views.verified(found))
    return OK if found.ok else FAILED


@backup.command
def restore(
    target: Target = None,
    /,
    *,
    backup: Which = None,
    master: Master = False,
    node: Node = (),
    credentials: Annotated[
        bool, Flag(help="Nodes' credentials too: only if the nodes have not run since the backup.")
    ] = False,
    force: Annotated[
        bool, Flag(help="Move what is there aside, instead of refusing a place that is not empty.")
    ] = False,
    passphrase_file: Secret = None,
    stores: StoreOptions = STORES,
    output: OutputOptions = OUTPUT,
    terminal: Injected,
) -> int:
    """Put a backup back, all of it or the parts that are named, where the daemons find it.

    They must not run. The exit code is 3 when nodes have done work that the master of the backup does not know: it is
    listed.
    """
    from fleetfold.backup import find_backup, restore_backup
    from fleetfold.backup.store_locations import MASTER_PART, part_of

    settings = stores.settings()
    place = _target(target, settings)
    parts = [*([MASTER_PART] if master else []), *map(part_of, node)]
    done = restore_backup(
        place, find_backup(place, backup), stores.places(settings), parts=parts,
        passphrase=_passphrase(passphrase_file, settings), credentials=credentials, force=force,
    )  # fmt: skip
    terminal.show(output, done, lambda: views.restored(done))
    return PARTLY if done.unknown else OK


@backup.command
def export(
    file: Annotated[str, Parameter(allow_leading_hyphen=True, help="Where it is written; `-` is stdout.")] = "-",
    /,
    *,
    stores: StoreOptions = STORES,
    output: OutputOptions = OUTPUT,
    terminal: Injected,
) -> None:
    """Write nodes, definitions, schedules and keys (as digests) of the master's database as JSON, sorted."""
    from fleetfold.backup.registry_database import connected, read_registry
    from fleetfold.backup.registry_export import encode_registry
    from fleetfold_broker.secret_file import replace as write

    with connected(stores.places(stores.settings())) as connection:
        found = read_registry(connection)
    text = encode_registry(found)
    if file == "-":
        terminal.out.write(text.decode())
        return
    write(Path(file).absolute(), text)
    counts = {name: len(getattr(found, name)) for name in ("nodes", "definitions", "schedules", "keys")}
    terminal.show(output, {"file": file, **counts}, lambda: views.exported(file, counts))


@backup.command(name="import")
def importing(
    file: Annotated[str, Parameter(allow_leading_hyphen=True, help="What `export` has written; `-` is stdin.")],
    /,
    *,
    dry_run: Annotated[bool, Flag(help="Show what would change, and change nothing.")] = False,
    replace: Annotated[bool, Flag(help="Change what is there with other content, instead of refusing.")] = False,
    stores: StoreOptions = STORES,
    output: OutputOptions = OUTPUT,
    terminal: Injected,
) -> int:
    """Put nodes, definitions, schedules and keys of an export into the master's database, all or none.

    The master must not run, but for `--dry-run`. A dry run ends with 1 if the import would be refused.
    """
    from fleetfold.backup.registry_export import decode_registry
    from fleetfold.backup.registry_import import import_registry
    from fleetfold_cli.parsing.structured_file import text_of

    where, text = text_of(file, terminal.stdin)
    wanted = decode_registry(text.encode(), where)
    changes = import_registry(stores.places(stores.settings()), wanted, replace=replace, dry_run=dry_run)
    terminal.show(output, {"changes": changes, "dry_run": dry_run}, lambda: views.imported(changes, dry_run=dry_run))
    return FAILED if any(change.change == "clash" for change in changes) else OK


def _target(given: str | None, settings: Config) -> BackupTarget:
    from fleetfold.backup import open_target

    chosen = given or settings.backup.target
    if not chosen:
        raise InvalidInput("target: name a directory or a URL, or set backup.target in the settings", field="target")
    return open_target(chosen)


def _passphrase(file: Path | None, settings: Config) -> str | None:
    from fleetfold.backup import find_passphrase

    configured = settings.backup.passphrase_file
    return find_passphrase(file or (Path(configured) if configured else None), os.environ)
