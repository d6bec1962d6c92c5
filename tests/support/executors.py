"""A node's executor on a real ledger, and commands for it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from fleetfold_child.commands.actions import Actions, AnyAction
from fleetfold_child.commands.executor import Executor
from fleetfold_child.ledger.ledger import Ledger
from fleetfold_shared.messages import Command
from support.wait import eventually

__all__ = ["command", "compensation_of", "executor", "let_go"]


@contextlib.asynccontextmanager
async def executor(directory: Path, *actions: AnyAction, **options: Any) -> AsyncIterator[tuple[Executor, Ledger]]:
    """An executor of these actions, its ledger closed at the end."""
    ledger = await Ledger.open(directory / "node.db")
    try:
        yield Executor(Actions(actions), ledger, node="shop", **options), ledger
    finally:
        await ledger.close()


def command(command_id: str, action: str, attempt: int = 1, epoch: int = 0, **params: Any) -> Command:
    return Command(id=command_id, attempt=attempt, action=action, epoch=epoch, params=params)


async def let_go(ledger: Ledger) -> None:
    """Return when the ledger's only command is run by no process: it waits for another try."""

    async def nobody_runs_it() -> bool:
        rows = await ledger.database.execute("SELECT state, incarnation FROM fleetfold_command")
        return rows == [{"state": "running", "incarnation": ""}]

    await eventually(nobody_runs_it)


def compensation_of(forward: str, action: str = "", command_id: str = "", epoch: int = 0, **params: Any) -> Command:
    """A compensation of `forward`; without an action, a tombstone only."""
    command_id = command_id or f"{forward}.c"
    return Command(id=command_id, attempt=1, action=action, epoch=epoch, params=params, compensates=forward)
