"""Rows of search evaluation: judgements, clicks, and counts of searches without hits.

`query` is a digest, so that a long one has a short key; `text` is the query itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Select, bindparam, delete, func, insert, select, update

from fleetfold_master.store.compiled_statements import Write, insert_once
from fleetfold_master.store.database import Store
from fleetfold_master.store.search_tables import click, judgement, search_count

__all__ = [
    "MOST_CLICKS", "StoredClick", "StoredCount", "StoredJudgement", "clicked", "counted", "forgotten", "judged",
    "older", "read_clicks", "read_counts", "read_judged", "read_known", "read_queries",
]  # fmt: skip

MOST_CLICKS = 1000
"""Stored per query: the latest."""

_ANEW = insert_once(judgement)
_AGAIN = (
    update(judgement)
    .where(*(judgement.c[name] == bindparam(f"old_{name}") for name in ("query", "node", "collection", "document")))
    .values({name: bindparam(name) for name in ("text", "grade", "who", "at")})
)
_CLICK_FIELDS = [column.name for column in click.c if column.name != "seq"]
_CLICK = insert(click).values({name: bindparam(name) for name in _CLICK_FIELDS}).inline()
_OVERFLOW = delete(click).where(
    click.c.query == bindparam("of_query"),
    click.c.seq
    <= select(click.c.seq)
    .where(click.c.query == bindparam("of_query"))
    .order_by(click.c.seq.desc())
    .limit(1)
    .offset(MOST_CLICKS)
    .scalar_subquery(),
)
_NO_COUNT = insert_once(search_count)
_ADD = (
    update(search_count)
    .where(*(search_count.c[name] == bindparam(f"old_{name}") for name in ("day", "node", "collection")))
    .values(
        searches=search_count.c.searches + bindparam("more_searches"),
        empty=search_count.c.empty + bindparam("more_empty"),
    )
)
_FORGET = tuple(delete(table).where(table.c.query == bindparam("of_query")) for table in (judgement, click))
_OLD_CLICKS = delete(click).where(click.c.at < bindparam("before"))
_OLD_COUNTS = delete(search_count).where(search_count.c.day < bindparam("before"))


class StoredJudgement(NamedTuple):
    """A judgement of a document."""

    node: str
    collection: str
    document: str
    grade: int


class StoredClick(NamedTuple):
    """The rank of a chosen hit."""

    node: str
    collection: str
    rank: int


class StoredCount(NamedTuple):
    """Searches of a node or its collection (of the whole fleet if both are empty), and those without hits."""

    node: str
    collection: str
    searches: int
    empty: int


def judged(rows: Iterable[Mapping[str, Any]]) -> list[Write]:
    """Insert or replace judgements."""
    rows = list(rows)
    keys, values = ("query", "node", "collection", "document"), ("text", "grade", "who", "at")
    again = [{**{f"old_{key}": row[key] for key in keys}, **{name: row[name] for name in values}} for row in rows]
    return [Write(_ANEW, rows), Write(_AGAIN, again)]


def clicked(row: Mapping[str, Any]) -> list[Write]:
    """Insert a click; the oldest of its query is deleted beyond the limit."""
    return [Write(_CLICK, [row]), Write(_OVERFLOW, [{"of_query": row["query"]}])]


def counted(day: int, counts: Iterable[StoredCount]) -> list[Write]:
    """Add to the counts of a day."""
    rows = [count._asdict() | {"day": day} for count in counts]
    more = [
        {
            **{f"old_{key}": row[key] for key in ("day", "node", "collection")},
            **{f"more_{key}": row[key] for key in ("searches", "empty")},
        }
        for row in rows
    ]
    return [Write(_NO_COUNT, [{**row, "searches": 0, "empty": 0} for row in rows]), Write(_ADD, more)]


def forgotten(query: str) -> tuple[Write, Write]:
    """Delete a query's judgements and clicks."""
    judgements, clicks = (Write(statement, [{"of_query": query}]) for statement in _FORGET)
    return judgements, clicks


def older(at: float, day: int) -> list[Write]:
    """Delete clicks from before `at` (Unix seconds), and counts from before `day`."""
    return [Write(_OLD_CLICKS, [{"before": at}]), Write(_OLD_COUNTS, [{"before": day}])]


async def read_queries(store: Store, limit: int, nodes: Sequence[str], collections: Sequence[str]) -> dict[str, str]:
    """Texts of queries with a judgement in one of the `nodes` and `collections`, by digest, latest judged first."""
    latest = func.max(judgement.c.at)
    query = _within(select(judgement.c.query, func.max(judgement.c.text).label("text")), nodes, collections)
    query = query.group_by(judgement.c.query).order_by(latest.desc(), judgement.c.query).limit(limit)
    return {row["query"]: row["text"] for row in await store.read(query)}


async def read_judged(store: Store, query: str) -> list[StoredJudgement]:
    """The judgements of one query."""
    columns = [judgement.c[name] for name in StoredJudgement._fields]
    return [StoredJudgement(**row) for row in await store.read(select(*columns).where(judgement.c.query == query))]


async def read_known(store: Store, query: str) -> set[tuple[str, str, str]]:
    """The documents judged for a query."""
    return {one[:3] for one in await read_judged(store, query)}


async def read_clicks(store: Store, since: float) -> list[tuple[StoredClick, int]]:
    """Ranks of chosen hits since then (Unix seconds), with their counts."""
    columns = [click.c[name] for name in StoredClick._fields]
    query = select(*columns, func.count().label("times")).where(click.c.at >= since).group_by(*columns)
    return [(StoredClick(row["node"], row["collection"], row["rank"]), row["times"]) for row in await store.read(query)]


async def read_counts(store: Store, day: int) -> list[StoredCount]:
    """Searches from that day on."""
    table = search_count.c
    sums = (func.sum(table.searches).label("searches"), func.sum(table.empty).label("empty"))
    query = select(table.node, table.collection, *sums).where(table.day >= day).group_by(table.node, table.collection)
    return [StoredCount(**row) for row in await store.read(query)]


def _within(query: Select[Any], nodes: Sequence[str], collections: Sequence[str]) -> Select[Any]:
    query = query.where(judgement.c.node.in_(nodes))
    return query.where(judgement.c.collection.in_(collections)) if collections else query
