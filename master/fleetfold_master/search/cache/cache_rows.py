"""Rows of cached answers and popular queries."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import bindparam, delete, select

from fleetfold_master.search.cache.memory_store import Entry
from fleetfold_master.store.compiled_statements import Write, insert_once
from fleetfold_master.store.database import Store
from fleetfold_master.store.search_tables import search_cache, search_question

__all__ = [
    "CachedRow", "PopularQueryRow", "cleared", "gone", "packed", "questions", "read_entry", "read_questions",
    "read_shelved", "written",
]  # fmt: skip

LEAST_PACKED_BYTES = 512

_INSERT = insert_once(search_cache)
_DELETE = delete(search_cache).where(search_cache.c.key == bindparam("gone"))
_CLEAR = delete(search_cache)
_COUNT = insert_once(search_question)
_FORGET = delete(search_question)


class CachedRow(NamedTuple):
    """The index data of a row: its key, size and age."""

    key: str
    bytes: int
    saved_at: float


class PopularQueryRow(NamedTuple):
    """A query as narrowed and as requested, both as JSON, with its count and last time."""

    key: str
    narrowed: str
    asked: str
    times: int
    asked_at: float


def packed(answer: bytes) -> bytes:
    """The answer as stored: compressed with zlib if that is smaller. JSON begins with a brace, zlib does not."""
    if len(answer) < LEAST_PACKED_BYTES:
        return answer
    return min(zlib.compress(answer, 1), answer, key=len)


def written(entries: Mapping[str, Entry], values: Mapping[str, bytes]) -> tuple[Write, Write]:
    """Insert or replace these entries, whose answers are compressed in `values`."""
    rows = [
        {
            "key": key, "value": values[key], "bytes": len(values[key]), "saved_at": entry.saved_at,
            "cost_ms": entry.cost_ms,
        }
        for key, entry in entries.items()
    ]  # fmt: skip
    return gone(list(entries)), Write(_INSERT, rows)


def gone(keys: Sequence[str]) -> Write:
    """Delete these rows."""
    return Write(_DELETE, [{"gone": key} for key in keys])


def cleared() -> Write:
    """Delete all rows."""
    return Write(_CLEAR, [{}])


def questions(rows: Sequence[PopularQueryRow]) -> tuple[Write, Write]:
    """Replace all popular queries."""
    return Write(_FORGET, [{}]), Write(_COUNT, [row._asdict() for row in rows])


async def read_shelved(store: Store) -> list[CachedRow]:
    """Read all rows without their answers, oldest first."""
    columns = (search_cache.c.key, search_cache.c.bytes, search_cache.c.saved_at)
    found = await store.read(select(*columns).order_by(search_cache.c.saved_at, search_cache.c.key))
    return [CachedRow(**row) for row in found]


async def read_entry(store: Store, key: str) -> Entry | None:
    """Read one entry, if it exists."""
    row = await store.read_one(select(search_cache).where(search_cache.c.key == key))
    if row is None:
        return None
    value = bytes(row["value"])
    answer = value if value.startswith(b"{") else zlib.decompress(value)
    return Entry(answer, row["saved_at"], row["cost_ms"])


async def read_questions(store: Store) -> list[PopularQueryRow]:
    """Read all popular queries."""
    return [PopularQueryRow(**row) for row in await store.read(select(search_question))]
