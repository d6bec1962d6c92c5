"""Kept answers and popular questions as rows."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import bindparam, delete, select

from fleetfold_master.search.cache_memory import Entry
from fleetfold_master.store.compiled_statements import Write, insert_once
from fleetfold_master.store.database import Store
from fleetfold_master.store.search_tables import search_cache, search_question

__all__ = [
    "CachedRow",
    "QuestionRow",
    "cleared",
    "gone",
    "packed",
    "questions",
    "read_entry",
    "read_questions",
    "read_shelved",
    "written",
]  # fmt: skip

LEAST_PACKED_BYTES = 512

_INSERT = insert_once(search_cache)
_DELETE = delete(search_cache).where(search_cache.c.key == bindparam("gone"))
_CLEAR = delete(search_cache)
_COUNT = insert_once(search_question)
_FORGET = delete(search_question)


class CachedRow(NamedTuple):
    """What is remembered of a row: its key, its size and its age."""

    key: str
    bytes: int
    saved_at: float


class QuestionRow(NamedTuple):
    """A question as it was narrowed and as it was put, both as JSON, with how often and when last it was asked."""

    key: str
    narrowed: str
    asked: str
    times: int
    asked_at: float


def packed(answer: bytes) -> bytes:
    """The answer as it is stored: with zlib where that makes it smaller. JSON begins with a brace, zlib does not."""
    if len(answer) < LEAST_PACKED_BYTES:
        return answer
    return min(zlib.compress(answer, 1), answer, key=len)


def written(entries: Mapping[str, Entry], values: Mapping[str, bytes]) -> tuple[Write, Write]:
    """Rows for these entries, whose answers are packed in `values`, in the place of those there may be."""
    rows = [
        {
            "key": key, "value": values[key], "bytes": len(values[key]), "saved_at": entry.saved_at,
            "cost_ms": entry.cost_ms,
        }
        for key, entry in entries.items()
    ]  # fmt: skip
    return gone(list(entries)), Write(_INSERT, rows)


def gone(keys: Sequence[str]) -> Write:
    """These rows are no more."""
    return Write(_DELETE, [{"gone": key} for key in keys])


def cleared() -> Write:
    """No row is any more."""
    return Write(_CLEAR, [{}])


def questions(rows: Sequence[QuestionRow]) -> tuple[Write, Write]:
    """These are all popular questions."""
    return Write(_FORGET, [{}]), Write(_COUNT, [row._asdict() for row in rows])


async def read_shelved(store: Store) -> list[CachedRow]:
    """All rows without their answers, the oldest first."""
    columns = (search_cache.c.key, search_cache.c.bytes, search_cache.c.saved_at)
    found = await store.read(select(*columns).order_by(search_cache.c.saved_at, search_cache.c.key))
    return [CachedRow(**row) for row in found]


async def read_entry(store: Store, key: str) -> Entry | None:
    """One entry, if it is there."""
    row = await store.read_one(select(search_cache).where(search_cache.c.key == key))
    if row is None:
        return None
    value = bytes(row["value"])
    answer = value if value.startswith(b"{") else zlib.decompress(value)
    return Entry(answer, row["saved_at"], row["cost_ms"])


async def read_questions(store: Store) -> list[QuestionRow]:
    """All popular questions."""
    return [QuestionRow(**row) for row in await store.read(select(search_question))]
