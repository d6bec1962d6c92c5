"""What separates the values of a CSV file: what its first rows have the same number of."""

from __future__ import annotations

import csv
from contextlib import suppress
from itertools import islice
from typing import TextIO

__all__ = ["find_separator"]

CANDIDATES = (",", ";", "\t", "|")
_ROWS = 50
_HEAD_CHARS = 65_536


def find_separator(file: TextIO) -> tuple[str, bool]:
    """The separator of a file at its beginning; whether its first line only says so, as Excel's `sep=;` does.

    A comma where nothing else is more likely. The file is at its beginning again afterwards.
    """
    head = file.read(_HEAD_CHARS)
    file.seek(0)
    first = head.partition("\n")[0].strip().removeprefix("\ufeff")
    if len(first) == 5 and first.lower().startswith("sep="):
        return first[4], True
    lines = head.splitlines(keepends=True)
    if len(head) == _HEAD_CHARS and len(lines) > 1:
        lines.pop()  # it may be cut
    return max(CANDIDATES, key=lambda one: (*_fit(lines, one), -CANDIDATES.index(one))), False


def _fit(lines: list[str], separator: str) -> tuple[float, int]:
    """How many of the first rows have as many values as the header, as a share, and how many those are."""
    rows: list[list[str]] = []
    with suppress(csv.Error):
        read = csv.reader(lines, delimiter=separator, skipinitialspace=True)
        rows.extend(islice((row for row in read if row), _ROWS))
    width = len(rows[0]) if rows else 0
    if width < 2:
        return 0.0, 0
    body = rows[1:]
    return (sum(1 for row in body if len(row) == width) / len(body) if body else 1.0), width
