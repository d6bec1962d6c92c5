"""Registry of the application's databases that a node's actions write to, by name.

SQLAlchemy is imported only where there are any.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import structlog

from fleetfold_broker.secret_file import from_environment
from fleetfold_child.commands.actions import Actions, AnyAction
from fleetfold_shared.errors import InvalidInput, Unavailable
from fleetfold_shared.ids import check_slug
from fleetfold_shared.messages import CommandResult

if TYPE_CHECKING:
    from fleetfold_child.app_database.application_database import ApplicationDatabase

__all__ = ["Databases", "with_secrets"]

log = structlog.get_logger(__name__)


def with_secrets(urls: Mapping[str, str], env: Mapping[str, str]) -> dict[str, str]:
    """Return the URLs by name; `$FLEETFOLD_DATABASE_NAME`, or the file in `..._FILE`, overrides the given one."""
    chosen = {
        name: from_environment(f"FLEETFOLD_DATABASE_{name.replace('-', '_').upper()}", env) or url
        for name, url in urls.items()
    }
    for name, url in chosen.items():
        if not url:
            variable = f"FLEETFOLD_DATABASE_{name.replace('-', '_').upper()}"
            raise InvalidInput(f"databases.{name}: no URL; give one, or set ${variable}", field="databases")
    return chosen


class Databases:
    """The databases of one node, by name. Ended by `close`."""

    def __init__(self, by_name: Mapping[str, ApplicationDatabase], actions: Actions) -> None:
        self._by_name, self._actions = dict(by_name), actions

    @classmethod
    async def open(cls, urls: Mapping[str, str], actions: Actions, *, node: str, concurrency: int = 16) -> Databases:
        """Open the databases at `urls`, by name; one that is away is connected when it is needed.

        Raises `InvalidInput` for an unusable name or URL, a table that cannot be created, or an action whose database
        is not declared.
        """
        _check_declared(urls, actions)
        if not urls:
            return cls({}, actions)
        try:
            from fleetfold_child.app_database.application_database import ApplicationDatabase
        except ModuleNotFoundError as error:
            raise InvalidInput(
                f"databases: they need {error.name}; `pip install 'fleetfold[sql]'`", field="databases"
            ) from None
        opened = cls(
            {
                check_slug(name, "databases"): ApplicationDatabase.open(name, url, node=node, concurrency=concurrency)
                for name, url in urls.items()
            },
            actions,
        )
        try:
            await opened._check_all()
        except BaseException:
            await opened.close()
            raise
        return opened

    def __bool__(self) -> bool:
        """Tell whether there are any databases."""
        return bool(self._by_name)

    def of(self, action: AnyAction) -> ApplicationDatabase:
        """Return the database that the action names."""
        assert action.database is not None
        if (database := self._by_name.get(action.database)) is None:
            raise _undeclared(action, self._by_name)
        return database

    async def seal(self, command_id: str, action_name: str | None) -> CommandResult | None:
        """Decide for good that a command of that action has had no effect, or return its result if it had one.

        Without an action's name, or when it no longer exists, all databases are asked.
        """
        action = self._actions.get(action_name) if action_name else None
        if action is not None:
            return None if action.database is None else await self.of(action).seal(command_id)
        answers = [await database.seal(command_id) for database in self._by_name.values()]
        return next((answer for answer in answers if answer is not None and not answer.tombstone), None)

    async def forget(self, command_ids: Sequence[str]) -> bool:
        """Delete the idempotency rows of commands that the ledger is about to forget. Returns False when a database is
        away.
        """
        for name, database in self._by_name.items():
            try:
                if gone := await database.forget(command_ids):
                    log.info("database.rows_pruned", database=name, count=gone)
            except Unavailable as error:
                log.warning("database.rows_not_pruned", database=name, reason=error.message)
                return False
        return True

    async def close(self) -> None:
        """Close all databases."""
        async with contextlib.AsyncExitStack() as closing:
            for database in self._by_name.values():
                closing.push_async_callback(database.close)

    async def _check_all(self) -> None:
        for name, database in self._by_name.items():
            try:
                await database.check()
            except Unavailable as error:
                log.warning("database.unavailable", database=name, reason=error.message)


def _check_declared(urls: Mapping[str, str], actions: Actions) -> None:
    for action in actions:
        if action.database is not None and action.database not in urls:
            raise _undeclared(action, urls)


def _undeclared(action: AnyAction, declared: Mapping[str, object]) -> InvalidInput:
    known = ", ".join(sorted(declared)) or "none"
    return InvalidInput(
        f"databases: {action.info.name} writes to {action.database!r}, which is not declared; there is {known}",
        field="databases",
    )
