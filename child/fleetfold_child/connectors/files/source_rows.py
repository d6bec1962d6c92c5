"""What a source yields: records with their places, and what is to be said of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Item", "Problem", "SourceNote", "SourceRow"]


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A record as it was read. `place` is a file and a line, or `record 7`."""

    place: str
    record: Any


@dataclass(frozen=True, slots=True)
class Problem:
    """A record that cannot be taken. `id` is its id, where that could be read."""

    place: str
    message: str
    id: str | None = None

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


@dataclass(frozen=True, slots=True)
class SourceNote:
    """Something about a source as a whole that its owner should know."""

    message: str


Item = SourceRow | Problem | SourceNote
