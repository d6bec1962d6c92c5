"""Scheduled backups of a daemon's own data. A daemon without a schedule imports nothing that makes them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fleetfold_shared.config import Config

if TYPE_CHECKING:
    from fleetfold.backup import BackupPlaces

__all__ = ["scheduled_backups"]


@asynccontextmanager
async def scheduled_backups(
    config: Config,
    folder: Path,
    own: Callable[[BackupPlaces], BackupPlaces],
    *,
    data: Path | None = None,
    master: bool = False,
    nodes: Sequence[str] = (),
) -> AsyncIterator[None]:
    """Make backups of the master, the nodes, or all that is here while the block runs, if they are scheduled.

    `folder` is the data folder of the daemon, `data` of all daemons here; `own` adds to the places those that the
    daemon was told.
    """
    if config.backup.every_s is None and config.backup.cron is None:
        yield
        return
    from fleetfold.backup import find_places
    from fleetfold_cli.daemons.backup_loop import backing_up

    async with backing_up(config.backup, own(find_places(config, data)), folder, master=master, nodes=nodes):
        yield
