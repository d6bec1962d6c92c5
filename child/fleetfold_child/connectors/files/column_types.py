"""Detection of a CSV file's numeric and boolean columns: those whose values all are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fleetfold_child.connectors.common_field_names import is_identifier
from fleetfold_child.connectors.value_conversion import decimal, number, resembles_number, written_number

__all__ = ["ColumnTypes"]

Convert = Callable[[str], Any]

_BOOLEANS = {"true": True, "false": False}
_ABSENT = frozenset({"nan", "n/a", "#n/a", "na", "null", "none", "nil", "-", "--", "?", "inf", "-inf"})
"""Words for a number that is not there."""
_NEARLY = 0.9
"""Share of numbers from which a column's other values are reported."""


@dataclass(slots=True)
class _ColumnStatistics:
    """Statistics of one column: counts of values, and the first that is not a number, with its line."""

    values: int = 0
    plain: int = 0
    with_comma: int = 0
    thousands: int = 0
    booleans: int = 0
    resembling: int = 0
    first_text: tuple[int, str] | None = None
    first_resembling: tuple[int, str] | None = None

    def add(self, line: int, value: str) -> None:
        self.values += 1
        if number(value) is not None:
            self.plain += 1
            return
        if value.lower() in _BOOLEANS:
            self.booleans += 1
        elif "," in value and decimal(value) is not None:
            self.with_comma += 1
            if len(value.rpartition(",")[2]) == 3:
                self.thousands += 1
                self.first_resembling = self.first_resembling or (line, value)
            return
        if value.lower() in _ABSENT or resembles_number(value):
            self.resembling += 1
            self.first_resembling = self.first_resembling or (line, value)
        self.first_text = self.first_text or (line, value)

    def convert(self) -> Convert | None:
        """Return the converter of the column's values; `None` for texts. `1,234` alone is ambiguous, so it is a
        text.
        """
        if not self.values:
            return None
        if self.plain == self.values:
            return number
        if self.with_comma > self.thousands and self.plain + self.with_comma == self.values:
            return decimal
        return _boolean if self.booleans == self.values else None

    def nearly(self, name: str) -> str | None:
        """What to know of the column `name` if its texts are no numbers, but a reader would take them for such."""
        numbers = self.plain + self.with_comma
        if self.first_text is not None and _NEARLY * self.values <= numbers:
            line, value = self.first_text
            return (
                f"{name}: {numbers:,} of {self.values:,} values are numbers, {_short(value)} in line {line} is not, so "
                f"all are texts; mend it, or declare --field {name}:number"
            )
        if self.first_resembling is not None and numbers + self.resembling == self.values:
            line, value = self.first_resembling
            declare = f", or declare --field {name}:number" if written_number(value) is not None else ""
            return (
                f"{name}: {_short(value)} in line {line} is not written as 1234.5 is, so all values are texts, and "
                f"ordered as such; mend it{declare}"
            )
        return None


class ColumnTypes:
    """Column types: pass all rows to `add`, then `read` converts a row to a record with typed values."""

    def __init__(self, names: Sequence[str], declared: Iterable[str]) -> None:
        fixed = set(declared)
        self._names = names
        self._seen = {
            at: _ColumnStatistics() for at, name in enumerate(names) if name not in fixed and not is_identifier(name)
        }
        self._converts: Mapping[int, Convert] = {}

    def add(self, line: int, row: Sequence[str]) -> None:
        """Count the values of a row."""
        for at, seen in self._seen.items():
            if at < len(row) and row[at]:
                seen.add(line, row[at])

    def decide(self) -> None:
        """Decide on the types after all rows."""
        found = {at: seen.convert() for at, seen in self._seen.items()}
        self._converts = {at: convert for at, convert in found.items() if convert is not None}

    def read(self, row: Sequence[str]) -> dict[str, Any]:
        """Convert a row to a record, without empty values."""
        return {
            name: self._converts[at](value) if at in self._converts else value
            for at, (name, value) in enumerate(zip(self._names, row, strict=False))
            if value
        }

    def notes(self) -> list[str]:
        """Return a remark on each column that is nearly numeric, or whose numbers are written in another way."""
        return [
            note
            for at, seen in self._seen.items()
            if at not in self._converts and (note := seen.nearly(self._names[at])) is not None
        ]


def _boolean(value: str) -> bool:
    return _BOOLEANS[value.lower()]


def _short(value: str) -> str:
    return repr(value if len(value) <= 30 else f"{value[:29]}…")
