"""The tables of search: cached answers, and evaluation."""

from __future__ import annotations

from sqlalchemy import Column, Double, Index, Integer, LargeBinary, String, Table, Text

from fleetfold_master.store.tables import metadata

__all__ = ["click", "judgement", "search_cache", "search_count", "search_question"]

search_cache = Table(
    "search_cache",
    metadata,
    Column("key", String(32), primary_key=True),
    Column("value", LargeBinary, nullable=False),
    Column("bytes", Integer, nullable=False),
    Column("saved_at", Double, nullable=False),
    Column("cost_ms", Double, nullable=False),
)

search_question = Table(
    "search_question",
    metadata,
    Column("key", String(32), primary_key=True),
    Column("narrowed", Text, nullable=False),
    Column("asked", Text, nullable=False),
    Column("times", Integer, nullable=False),
    Column("asked_at", Double, nullable=False),
)

judgement = Table(
    "judgement",
    metadata,
    Column("query", String(32), primary_key=True),
    Column("node", String(63), primary_key=True),
    Column("collection", String(63), primary_key=True),
    Column("document", String(512), primary_key=True),
    Column("text", Text, nullable=False),
    Column("grade", Integer, nullable=False),
    Column("who", String(63), nullable=False),
    Column("at", Double, nullable=False),
)

click = Table(
    "click",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("query", String(32), nullable=False),
    Column("node", String(63), nullable=False),
    Column("collection", String(63), nullable=False),
    Column("document", String(512), nullable=False),
    Column("text", Text, nullable=False),
    Column("rank", Integer, nullable=False),
    Column("who", String(63), nullable=False),
    Column("at", Double, nullable=False),
    Index("click_by_query", "query"),
    Index("click_by_age", "at"),
)

search_count = Table(
    "search_count",
    metadata,
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("node", String(63), primary_key=True),
    Column("collection", String(63), primary_key=True),
    Column("searches", Integer, nullable=False),
    Column("empty", Integer, nullable=False),
)
