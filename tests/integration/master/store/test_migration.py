"""A database that newer and older masters share: what may be started on it, and what is refused and changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text

from fleetfold_master import store as package
from fleetfold_master.cluster.membership import Membership
from fleetfold_master.store import Store, database
from fleetfold_master.store.fence import Fenced
from fleetfold_shared import __version__
from fleetfold_shared.clock import SystemClock
from fleetfold_shared.errors import Conflict


def _newer(file: Path, *changes: tuple[str, str, str]) -> None:
    """Pretend that a newer fleetfold has run these migrations: revision, phase, version."""
    with create_engine(f"sqlite:///{file}").begin() as connection:
        for revision, phase, version in changes:
            row = {"revision": revision, "phase": phase, "version": version}
            connection.execute(text("INSERT INTO schema_change VALUES (:revision, :phase, :version, 1.0)"), row)
        connection.execute(text("UPDATE alembic_version SET version_num = :last"), {"last": changes[-1][0]})


def _schema(file: Path) -> list[str]:
    with create_engine(f"sqlite:///{file}").connect() as connection:
        return sorted(str(row) for row in connection.execute(text("SELECT sql FROM sqlite_master")))


async def _new(file: Path) -> str:
    url = f"sqlite:///{file}"
    await (await Store.open(url)).close()
    return url


def _old(file: Path, revision: str = "r0011") -> str:
    config = Config()
    config.set_main_option("script_location", str(Path(package.__file__).parent / "migrations"))
    with create_engine(f"sqlite:///{file}").begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    return f"sqlite:///{file}"


async def test_an_older_master_of_the_series_starts_on_what_a_newer_one_has_expanded(tmp_path: Path) -> None:
    url = await _new(tmp_path / "master.db")
    _newer(tmp_path / "master.db", ("r9998", "expand", __version__), ("r9999", "expand", __version__))
    before = _schema(tmp_path / "master.db")
    store = await Store.open(url)
    assert await store.read_one(text("SELECT version_num FROM alembic_version")) == {"version_num": "r9999"}
    await store.close()
    assert _schema(tmp_path / "master.db") == before


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
    tmp_path: Path, changes: list[tuple[str, str, str]]
) -> None:
    url = await _new(tmp_path / "master.db")
    _newer(tmp_path / "master.db", *changes)
    with pytest.raises(Conflict, match=rf"newer fleetfold {changes[-1][2]} \(its schema is r9999.*upgrade") as refused:
        await Store.open(url)
    assert "\n" not in refused.value.message


async def test_a_contraction_is_refused_while_a_master_of_before_is_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = _old(tmp_path / "master.db")
    beats = iter(range(100))
    engine = create_engine(url)

    def beat(_seconds: float = 0.0) -> None:
        with engine.begin() as connection:
            connection.execute(text("UPDATE master SET beat = :beat"), {"beat": next(beats)})

    with engine.begin() as connection:
        connection.execute(text("INSERT INTO master VALUES ('m1', 'seat', 0, 'berta', 17, 1.0)"))
    before = _schema(tmp_path / "master.db")
    monkeypatch.setattr(database.time, "sleep", beat)
    beat()
    with pytest.raises(Conflict, match=r"the master on berta \(process 17\).*stop all masters"):
        await Store.open(url)
    assert _schema(tmp_path / "master.db") == before


async def test_a_master_that_was_suspended_through_a_contraction_cannot_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = _old(tmp_path / "master.db", "r0012")
    with create_engine(url).begin() as connection:
        connection.execute(text("INSERT INTO master VALUES ('m1', 'seat', 7, 'berta', 17, 1.0)"))
        connection.execute(
            text(
                "INSERT INTO tx (id, digest, name, state, epoch, entries, caller, created_at, owner)"
                " VALUES ('t1', '', '', 'running', 1, 0, 'ann', 1.0, 'm1')"
            )
        )
    monkeypatch.setattr(database.time, "sleep", lambda _seconds: None)
    store = await Store.open(url)
    successor = Membership(store, SystemClock(), "other seat")
    await successor.join()
    assert await store.read_one(text("SELECT owner FROM tx")) == {"owner": successor.id}
    store.fence.enforce("m1", lambda: None)
    with pytest.raises(Fenced):
        await store.confirm()
    await store.close()
