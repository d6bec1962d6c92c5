"""Items of a source: records with their places, problems, and notes on the whole source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Item", "Problem", "SourceNote", "SourceRow"]


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A record as read. `place` is a file and a line, or `record 7`."""

    place: str
    record: Any


@dataclass(frozen=True, slots=True)
class Problem:
    """A record that cannot be used. `id` is its id, where it could be read."""

    place: str
    message: str
    id: str | None = None

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


@dataclass(frozen=True, slots=True)
class SourceNote:
    """A remark on a source as a whole."""

    message: str


Item = SourceRow | Problem | SourceNote
