"""Orders taken and cancelled in an application's database, and what a test asks of them."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest
from sqlalchemy import String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fleetfold_child.commands.actions import action
from fleetfold_child.commands.context import Context, Refused
from fleetfold_child.ledger.ledger import Ledger
from support.application import EFFECT, look
from support.executors import compensation_of
from support.looptime import outlast

__all__ = ["RUNS", "Effect", "cancel", "cancelling", "effects", "finished_badly", "order", "url"]


class Base(DeclarativeBase):
    pass


class Effect(Base):
    __tablename__ = "effect"
    id: Mapped[str] = mapped_column(String(200), primary_key=True)
    what: Mapped[str] = mapped_column(String(20))


RUNS: list[str] = []


@action(kind="transactional", database="shop")
async def order(ctx: Context, how: str = "") -> dict[str, str]:
    RUNS.append(ctx.command_id)
    await ctx.tx.execute("INSERT INTO effect VALUES (:id, 'do')", {"id": ctx.key})
    if how == "refuses":
        raise Refused("no")
    if how == "raises":
        raise ValueError("on fire")
    if how == "hangs":
        await outlast()
    return {"order_id": ctx.key}


@action(kind="transactional", database="shop")
async def cancel(ctx: Context, order_id: str) -> None:
    RUNS.append(ctx.command_id)
    ctx.session.add(Effect(id=order_id + "/undo", what="undo"))


@pytest.fixture
def url(database_url: str) -> str:
    """The application's database, with its own table."""
    look(database_url, EFFECT)
    RUNS.clear()
    return database_url


def effects(url: str) -> list[str]:
    return [f"{what} {key}" for key, what in look(url, "SELECT id, what FROM effect ORDER BY id")]


def cancelling(forward: str = "a", **more: Any) -> Any:
    return compensation_of(forward, "cancel", order_id="{{order_id}}", **more)


async def finished_badly(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next result cannot be written to the ledger: what a crash between the two commits leaves behind."""

    async def fail(*_: object, **__: object) -> None:
        monkeypatch.undo()
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(ledger, "finish", fail)
