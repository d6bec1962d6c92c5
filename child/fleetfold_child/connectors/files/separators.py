"""Detection of a CSV file's separator: the one by which the first rows have equally many values."""

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
    """Return the separator, and whether the first line only declares it, as Excel's `sep=;` does.

    A comma unless another one is more likely. Rewinds the file.
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
    """Return the share of the first rows with as many values as the header, and that number."""
    rows: list[list[str]] = []
    with suppress(csv.Error):
        read = csv.reader(lines, delimiter=separator, skipinitialspace=True)
        rows.extend(islice((row for row in read if row), _ROWS))
    width = len(rows[0]) if rows else 0
    if width < 2:
        return 0.0, 0
    body = rows[1:]
    return (sum(1 for row in body if len(row) == width) / len(body) if body else 1.0), width
