"""A database that newer and older masters share: what may be started on it, and what is refused and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, inspect, text

from fleetfold_master import store as package
from fleetfold_master.cluster.membership import Membership
from fleetfold_master.store import Store, database
from fleetfold_master.store.database_engines import open_engines
from fleetfold_master.store.fence import Fenced
from fleetfold_shared import __version__
from fleetfold_shared.clock import SystemClock
from fleetfold_shared.errors import Conflict


@contextmanager
def _connected(url: str) -> Iterator[Connection]:
    engine, _ = open_engines(url)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def _newer(url: str, *changes: tuple[str, str, str]) -> None:
    """Pretend that a newer fleetfold has run these migrations: revision, phase, version."""
    with _connected(url) as connection:
        for revision, phase, version in changes:
            row = {"revision": revision, "phase": phase, "version": version}
            connection.execute(text("INSERT INTO schema_change VALUES (:revision, :phase, :version, 1.0)"), row)
        connection.execute(text("UPDATE alembic_version SET version_num = :last"), {"last": changes[-1][0]})


def _schema(url: str) -> list[str]:
    with _connected(url) as connection:
        found = inspect(connection)
        return sorted(
            f"{table}.{column['name']}" for table in found.get_table_names() for column in found.get_columns(table)
        )


async def _new(url: str) -> None:
    await (await Store.open(url)).close()


def _old(url: str, revision: str) -> None:
    """A database as an earlier version left it, with a master `m1` on it."""
    config = Config()
    config.set_main_option("script_location", str(Path(package.__file__).parent / "migrations"))
    with _connected(url) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.execute(text("INSERT INTO master VALUES ('m1', 'seat', 7, 'berta', 17, 1.0)"))


async def test_an_older_master_of_the_series_starts_on_what_a_newer_one_has_expanded(database_url: str) -> None:
    await _new(database_url)
    _newer(database_url, ("r9998", "expand", __version__), ("r9999", "expand", __version__))
    before = _schema(database_url)
    store = await Store.open(database_url)
    assert await store.read_one(text("SELECT version_num FROM alembic_version")) == {"version_num": "r9999"}
    await store.close()
    assert _schema(database_url) == before


@pytest.mark.parametrize(
    "changes",
    [
        [("r9999", "contract", __version__)],
        [("r9998", "contract", __version__), ("r9999", "expand", __version__)],
        [("r9999", "expand", "9.1.0")],
    ],
    ids=["contracted", "contracted before", "another series"],
)
async def test_what_a_newer_fleetfold_has_taken_away_is_refused_in_one_line(
    database_url: str, changes: list[tuple[str, str, str]]
) -> None:
    await _new(database_url)
    _newer(database_url, *changes)
    with pytest.raises(Conflict, match=rf"newer fleetfold {changes[-1][2]} \(its schema is r9999.*upgrade") as refused:
        await Store.open(database_url)
    assert "\n" not in refused.value.message


async def test_a_contraction_is_refused_while_a_master_of_before_is_running(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _old(database_url, "r0011")
    before = _schema(database_url)

    def heartbeat(_seconds: float) -> None:
        with _connected(database_url) as connection:
            connection.execute(text("UPDATE master SET beat = beat + 1"))

    monkeypatch.setattr(database.time, "sleep", heartbeat)
    with pytest.raises(Conflict, match=r"the master on berta \(process 17\).*stop all masters"):
        await Store.open(database_url)
    assert _schema(database_url) == before


async def test_a_master_that_joins_during_the_watch_counts_as_running(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _old(database_url, "r0011")

    def join(_seconds: float) -> None:
        with _connected(database_url) as connection:
            connection.execute(text("INSERT INTO master VALUES ('m2', 'other', 0, 'anna', 18, 2.0)"))

    monkeypatch.setattr(database.time, "sleep", join)
    with pytest.raises(Conflict, match="the master on anna"):
        await Store.open(database_url)


async def test_a_master_that_was_suspended_through_a_contraction_cannot_write(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _old(database_url, "r0012")
    with _connected(database_url) as connection:
        connection.execute(
            text(
                "INSERT INTO tx (id, digest, name, state, epoch, entries, caller, created_at, owner)"
                " VALUES ('t1', '', '', 'running', 1, 0, 'ann', 1.0, 'm1')"
            )
        )
    monkeypatch.setattr(database.time, "sleep", lambda _seconds: None)
    store = await Store.open(database_url)
    successor = Membership(store, SystemClock(), "other instance")
    await successor.join()
    assert await store.read_one(text("SELECT owner FROM tx")) == {"owner": successor.id}
    store.fence.enforce("m1", lambda: None)
    with pytest.raises(Fenced):
        await store.confirm()
    await store.close()
