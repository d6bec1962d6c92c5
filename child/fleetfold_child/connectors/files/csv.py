"""Reader of CSV files: a header line, then one record a row."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import BinaryIO, TextIO

from fleetfold_child.connectors.files.column_types import ColumnTypes
from fleetfold_child.connectors.files.encodings import find_encoding
from fleetfold_child.connectors.files.opening import closing_text, opened
from fleetfold_child.connectors.files.separators import find_separator
from fleetfold_child.connectors.files.source_items import Item, Problem, SourceNote, SourceRow
from fleetfold_shared.config import Reading
from fleetfold_shared.errors import InvalidInput

__all__ = ["csv_rows"]

MOST_VALUE_CHARS = 2**31 - 1
csv.field_size_limit(MOST_VALUE_CHARS)  # it is one for the whole process; its 131,072 refuses long articles

Raw = tuple[int, list[str] | str]
"""Number of a row's first line, with its values, or the reason why it cannot be read."""


def csv_rows(path: Path, reading: Reading) -> Generator[Item]:
    """Yield the rows of a CSV file. It is read twice, because column types are known only at its end."""
    with opened(path) as binary:
        encoding = find_encoding(binary, path, reading.encoding)
        if encoding.guessed:
            yield SourceNote(
                f"{path}: it is not UTF-8 and was read as cp1252; if letters are wrong, name it with --encoding"
            )
        yield from _rows(binary, encoding.name, path, reading)


def _rows(binary: BinaryIO, encoding: str, path: Path, reading: Reading) -> Generator[Item]:
    with closing_text(binary, encoding) as file:
        separator, said = find_separator(file)
        if reading.separator is not None or path.suffix.lower() == ".tsv":
            separator = reading.separator or "\t"
        header, rows = _opened(file, separator, skip=said)
        names = _names(header, path, reading)
        types = ColumnTypes(names, (*reading.fields, reading.id, reading.title or "", *reading.text))
        for line, row in rows:
            if isinstance(row, list):
                types.add(line, row)
        types.decide()
        yield from (SourceNote(f"{path}: {note}") for note in types.notes())
        for line, row in _opened(file, separator, skip=said)[1]:
            yield _item(f"{path}:{line}", row, types, len(names))


def _item(place: str, row: list[str] | str, types: ColumnTypes, width: int) -> Item:
    if isinstance(row, str):
        return Problem(place, row)
    if len(row) > width and any(row[width:]):
        return Problem(
            place, f"it has {len(row)} values, the header has {width} names; put quotes around values with separators"
        )
    return SourceRow(place, types.read(row))


def _opened(file: TextIO, separator: str, *, skip: bool) -> tuple[list[str], Generator[Raw]]:
    """Return the header and the rows, from the beginning of the file."""
    file.seek(0)
    if skip:
        file.readline()
    rows = _parsed(file, separator, int(skip))
    header = next((row for _, row in rows if isinstance(row, list)), [])
    return header, rows


def _parsed(file: TextIO, separator: str, before: int) -> Generator[Raw]:
    """Yield the non-empty rows with stripped values; a malformed row does not end them."""
    reader = csv.reader(file, delimiter=separator, strict=True, skipinitialspace=separator != " ")
    while True:
        first = reader.line_num + before + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield first, _why(error)
            continue
        if any(row):
            yield first, [value.strip() for value in row]


def _why(error: csv.Error) -> str:
    if "unexpected end of data" in str(error):
        return "not CSV: a quote that opens in this row is never closed"
    return f"not CSV: {error}"


def _names(header: Sequence[str], path: Path, reading: Reading) -> list[str]:
    """Return the header's names. Raises `InvalidInput` if there is none, one is repeated, or the id's is missing."""
    names = [name or f"column_{number}" for number, name in enumerate(header, 1)]
    if not names:
        raise InvalidInput(f"{path}: it is empty; write a header line, then one record a row", field="records")
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        raise InvalidInput(f"{path}: two columns are called {twice!r}; rename one", field="records")
    if reading.id not in names:
        shown = ", ".join(names[:8]) + ("..." if len(names) > 8 else "")
        raise InvalidInput(
            f"{path}: no column is called {reading.id!r}; it has {shown}; name the id's with --id"
            + (", the separator with --separator" if len(names) == 1 else ""),
            field="id",
        )
    return names
