"""A real PostgreSQL for tests: a throw-away cluster of the system's packages, a database to each test.

It listens on a unix socket in its own folder and nowhere else. PostgreSQL refuses to run as root, so there it runs as
another user. Without it, tests that want it are skipped, and say what to do.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleetfold_shared.ids import new_id

__all__ = ["Cluster", "database_url", "failover", "postgres", "postgres_url", "psycopg_url", "running_postgres"]

WHAT_TO_DO = "`make postgres` installs it where it can (root and apt), else `apt-get install postgresql`"
UP_S = 30.0
USERS = ("postgres", "nobody")
SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",  # kill -9 loses nothing that the kernel has; only a power cut would
    "shared_buffers": "16MB",
    "max_connections": "60",
    "max_prepared_transactions": "10",
}


def _programs() -> Path | None:
    """The folder of the newest `initdb`, and the rest beside it."""
    newest = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if newest:
        return newest[-1].parent
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found else None


def _identity() -> dict[str, Any]:
    """How to start a process as somebody who is not root."""
    if os.geteuid() != 0:
        return {}
    for name in USERS:
        with contextlib.suppress(KeyError):
            user = pwd.getpwnam(name)
            return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    pytest.skip(f"PostgreSQL does not run as root, and there is no user of {', '.join(USERS)} to run it as")


class Cluster:
    """One postmaster, to be killed and started again. Everybody who reaches the socket is `fleet`, its superuser.

    With a `port` it listens on 127.0.0.1 too.
    """

    def __init__(self, programs: Path, place: Path, identity: dict[str, Any], *, port: int = 0) -> None:
        self._programs, self.place, self._identity = programs, place, identity
        self._settings = {**SETTINGS, **({"listen_addresses": "127.0.0.1", "port": str(port)} if port else {})}
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None

    def create(self) -> None:
        """Make the files of an empty cluster."""
        if self._identity:
            os.chown(self.place, self._identity["user"], self._identity["group"])
        command: list[str | Path] = [
            self._programs / "initdb", "--pgdata", self.place / "data", "--username=fleet", "--auth=trust",
            "--encoding=UTF8", "--locale=C", "--no-sync",
        ]  # fmt: skip
        made = subprocess.run(command, cwd=self.place, capture_output=True, text=True, **self._identity)
        if made.returncode:
            raise RuntimeError(f"initdb: {made.stderr}")

    def start(self) -> None:
        """Return when it answers."""
        deadline = time.monotonic() + UP_S
        while not self._answers():
            if self._process is None or self._process.poll() is not None:  # what a killed one left may still be dying
                self._begin()
            if time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start: {(self.place / 'log').read_text()[-2000:]}")
            time.sleep(0.02)

    def kill(self) -> None:
        """kill -9 of the postmaster; its backends end by themselves when they notice."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """Stop at once, without a checkpoint."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait()

    def url(self, database: str) -> str:
        """How to reach a database of it."""
        port = f"&port={self._port}" if self._port else ""
        return f"postgresql://fleet@/{database}?host={self.place}{port}"

    @property
    def address(self) -> str:
        """Host and port of the one that listens on 127.0.0.1."""
        return f"127.0.0.1:{self._port}"

    def standby(self, place: Path, port: int) -> Cluster:
        """Make a streaming standby of it in `place`, started; its name as a replica is `standby`."""
        if self._identity:
            os.chown(place, self._identity["user"], self._identity["group"])
        source = f"host={self.place} port={self._port} user=fleet application_name=standby"
        command: list[str | Path] = [
            self._programs / "pg_basebackup", "--pgdata", place / "data", "--write-recovery-conf", "--no-sync",
            "--checkpoint=fast", "--wal-method=stream", "--dbname", source,
        ]  # fmt: skip
        made = subprocess.run(command, cwd=place, capture_output=True, text=True, **self._identity)
        if made.returncode:
            raise RuntimeError(f"pg_basebackup: {made.stderr}")
        found = Cluster(self._programs, place, self._identity, port=port)
        found.start()
        return found

    def execute(self, sql: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run a statement as an onlooker."""
        import psycopg

        with psycopg.connect(psycopg_url(self.url(database)), autocommit=True) as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

    def replicated(self, place: Path, other: Path) -> tuple[Cluster, Cluster]:
        """A primary and its standby, made by the same programs in two other folders. The primary's commits wait for
        the standby, so that a failover loses none.
        """
        primary = Cluster(self._programs, place, self._identity, port=_free_port())
        primary.create()
        primary.start()
        standby = primary.standby(other, _free_port())
        primary.execute("ALTER SYSTEM SET synchronous_standby_names = 'standby'")
        primary.execute("SELECT pg_reload_conf()")
        return primary, standby

    def _begin(self) -> None:
        words = [word for name, value in self._settings.items() for word in ("-c", f"{name}={value}")]
        with (self.place / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self.place / "data", "-k", self.place, *words],
                cwd=self.place, stdout=log, stderr=log, stdin=subprocess.DEVNULL, **self._identity,
            )  # fmt: skip

    def _answers(self) -> bool:
        import psycopg

        if self._process is None:
            return False
        try:
            self.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def psycopg_url(url: str) -> str:
    """The URL without the name of a driver."""
    return "postgresql://" + url.partition("://")[2]


def _missing() -> str | None:
    try:
        import psycopg  # noqa: F401
    except ImportError:
        return "psycopg is not installed: `pip install 'fleetfold[postgres]'`"
    return None if _programs() else f"there is no PostgreSQL here: {WHAT_TO_DO}"


@contextlib.contextmanager
def running_postgres() -> Iterator[Cluster]:
    """A cluster of its own, stopped and deleted at the end; the test is skipped where there is no PostgreSQL."""
    if why := _missing():
        pytest.skip(why)
    programs = _programs()
    assert programs is not None
    place = Path(tempfile.mkdtemp(prefix="fleetfold-pg-"))  # short: a socket's path has at most 107 bytes
    cluster = Cluster(programs, place, _identity())
    try:
        cluster.create()
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(place, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """A running cluster, shared by the tests of this process."""
    with running_postgres() as cluster:
        yield cluster


@pytest.fixture
def failover(postgres: Cluster) -> Iterator[tuple[Cluster, Cluster]]:
    """A primary that commits when its standby has, and that standby; both listen on 127.0.0.1."""
    with contextlib.ExitStack() as stack:
        places = [Path(tempfile.mkdtemp(prefix="fleetfold-pg-")) for _ in range(2)]
        for place in places:
            stack.callback(shutil.rmtree, place, ignore_errors=True)
        primary, standby = postgres.replicated(*places)
        stack.callback(primary.stop)
        stack.callback(standby.stop)
        yield primary, standby


@pytest.fixture
def postgres_url(postgres: Cluster) -> Iterator[str]:
    """An empty database."""
    name = f"test_{new_id()}"
    postgres.execute(f"CREATE DATABASE {name}")
    yield postgres.url(name)
    postgres.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind that the master's store may be in."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/master.db"
    url: str = request.getfixturevalue("postgres_url")
    return url
