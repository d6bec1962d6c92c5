"""A node whose actions write to a database of the application's, and a look into that database from outside."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text

from fleetfold_child.app_database.databases import Databases
from fleetfold_child.commands.actions import Actions, AnyAction
from fleetfold_child.commands.executor import Executor
from fleetfold_child.ledger.ledger import Ledger
from support.executors import executor

__all__ = ["EFFECT", "application", "look", "sync_url"]

EFFECT = "CREATE TABLE IF NOT EXISTS effect (id VARCHAR(200), what VARCHAR(20))"


def sync_url(url: str) -> str:
    """The URL with the driver that these helpers use."""
    return url.replace("postgresql://", "postgresql+psycopg://")


def look(url: str, sql: str, **params: Any) -> list[tuple[Any, ...]]:
    """Run a statement in the application's database, as the application would; its rows."""
    engine = create_engine(sync_url(url))
    try:
        with engine.begin() as connection:
            done = connection.execute(text(sql), params)
            return [tuple(row) for row in done] if done.returns_rows else []
    finally:
        engine.dispose()


@contextlib.asynccontextmanager
async def application(
    directory: Path, url: str, *actions: AnyAction, **options: Any
) -> AsyncIterator[tuple[Executor, Ledger, Databases]]:
    """A node with the database `shop` at `url`, its ledger in `directory`."""
    databases = await Databases.open({"shop": url}, Actions(actions), node="shop")
    try:
        async with executor(directory, *actions, databases=databases, **options) as (node, ledger):
            yield node, ledger, databases
    finally:
        await databases.close()
