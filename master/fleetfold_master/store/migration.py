"""Migration of the database to this version's schema at start, by alembic."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from fleetfold_shared.errors import Conflict

__all__ = ["migrate", "newest_revision"]


def migrate(connection: Connection, where: str) -> None:
    """Run the missing migrations. Raises `Conflict`, and changes nothing, if a newer fleetfold has written the
    database."""
    config = _config()
    config.attributes["connection"] = connection
    scripts = ScriptDirectory.from_config(config)
    present = MigrationContext.configure(connection).get_current_revision()
    if present == scripts.get_current_head():
        return
    known = {script.revision for script in scripts.walk_revisions()}
    if present is not None and present not in known:
        raise Conflict(
            f"{where}: the database is of a newer fleetfold (its schema is {present}, this version knows up to "
            f"{scripts.get_current_head()}); upgrade fleetfold, or name another database"
        )
    command.upgrade(config, "head")


def newest_revision() -> str:
    """The revision of the tables that this version uses."""
    return str(ScriptDirectory.from_config(_config()).get_current_head())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config
