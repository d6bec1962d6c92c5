"""URLs of a PostgreSQL with several hosts, as SQLAlchemy and libpq take them."""

from __future__ import annotations

import pytest
from sqlalchemy import make_url
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from fleetfold_storage.postgresql_hosts import with_hosts


def _arguments(url: str) -> dict[str, object]:
    arguments: dict[str, object] = PGDialect_psycopg().create_connect_args(make_url(with_hosts(url)))[1]
    return arguments


def test_every_host_is_tried_with_its_port_and_one_that_takes_writes_is_wanted() -> None:
    assert _arguments("postgresql://ann:s%40c@db1:5433,db2/fleet?sslmode=require") == {
        "user": "ann", "password": "s@c", "dbname": "fleet", "host": "db1,db2", "port": "5433,", "sslmode": "require",
        "target_session_attrs": "read-write",
    }  # fmt: skip


def test_an_ipv6_address_is_taken_out_of_its_brackets() -> None:
    assert _arguments("postgresql://[::1]:5433,[fe80::2]/fleet")["host"] == "::1,fe80::2"


def test_what_the_url_says_itself_stands() -> None:
    assert _arguments("postgresql://db1,db2/fleet?target_session_attrs=any")["target_session_attrs"] == "any"


@pytest.mark.parametrize(
    "url", ["postgresql://ann:a,b@db/fleet", "postgresql://db/fleet?host=a,b", "sqlite:///a,b/c.db", "not a url"]
)
def test_any_other_url_stays_as_it_is(url: str) -> None:
    assert with_hosts(url) == url
