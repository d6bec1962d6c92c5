"""Migration of the database to this version's schema at start, by alembic.

Masters of one series (before 1.0: one minor version) share a database while they are upgraded one after the other. So
migrations within a series only `expand`, and an older master of the series starts on a schema that newer ones have
expanded. A `contract` migration is refused while another master is running.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import structlog
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection

from fleetfold_master.store.migration_record import phase_of, read_changes, record_changes
from fleetfold_master.store.running_masters import end_leases, heartbeats, running
from fleetfold_shared import __version__
from fleetfold_shared.compatibility import same_series
from fleetfold_shared.errors import Conflict

__all__ = ["heartbeats_before_contracting", "migrate", "newest_revision"]

log = structlog.get_logger(__name__)


def migrate(connection: Connection, where: str, counters: Mapping[str, int]) -> None:
    """Run the missing migrations. `counters` are the masters' heartbeat counters of some seconds ago, where a migration
    contracts. Raises `Conflict`, and changes nothing, if an incompatible version has written the database, or if a
    migration contracts while a master is running.
    """
    config = _config()
    config.attributes["connection"] = connection
    scripts = ScriptDirectory.from_config(config)
    present = _revision(connection)
    if present is not None and present not in {script.revision for script in scripts.walk_revisions()}:
        _check_newer(connection, where, present, scripts)
    elif pending := _pending(scripts, present):
        if _contracts(pending):
            _stop_the_stopped(connection, where, counters)
        command.upgrade(config, "head")
        record_changes(connection, pending)


def newest_revision() -> str:
    """The revision of the schema that this version writes."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None
    return head


def heartbeats_before_contracting(connection: Connection) -> dict[str, int]:
    """The masters' heartbeat counters if a missing migration contracts, to be compared after a pause; else none."""
    scripts = ScriptDirectory.from_config(_config())
    present = _revision(connection)
    known = {script.revision for script in scripts.walk_revisions()}
    return heartbeats(connection) if present in known and _contracts(_pending(scripts, present)) else {}


def _check_newer(connection: Connection, where: str, present: str, scripts: ScriptDirectory) -> None:
    """Raise `Conflict` unless what was migrated since is of this series, and only expands."""
    known = {script.revision for script in scripts.walk_revisions()}
    unknown = {change.revision: change for change in read_changes(connection) if change.revision not in known}
    if present in unknown and all(
        change.phase == "expand" and same_series(change.version, __version__) for change in unknown.values()
    ):
        log.info("database.newer_schema", schema=present, written_by=unknown[present].version)
        return
    version = f" {unknown[present].version}" if present in unknown else ""
    raise Conflict(
        f"{where}: the database is of a newer fleetfold{version} (its schema is {present}, this version, "
        f"{__version__}, knows up to {scripts.get_current_head()}); upgrade fleetfold, or name another database"
    )


def _stop_the_stopped(connection: Connection, where: str, counters: Mapping[str, int]) -> None:
    """End the leases of masters that are gone, so that one which was only suspended cannot write any more."""
    if alive := running(connection, counters):
        raise Conflict(
            f"{where}: this version changes what {', '.join(alive)} uses: stop all masters of the earlier version, "
            "then start this one"
        )
    end_leases(connection)


def _contracts(pending: list[Script]) -> bool:
    return any(phase_of(script) == "contract" for script in pending)


def _pending(scripts: ScriptDirectory, present: str | None) -> list[Script]:
    """The missing migrations, the first to run first."""
    return list(scripts.iterate_revisions("head", present or "base"))[::-1]


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config
