"""Registry of file formats by suffix."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Mapping
from pathlib import Path

from fleetfold_child.connectors.files.csv import csv_rows
from fleetfold_child.connectors.files.json_records import json_rows
from fleetfold_child.connectors.files.source_items import Item
from fleetfold_shared.config import Reading
from fleetfold_shared.errors import InvalidInput

__all__ = ["check_file", "file_rows"]

Read = Callable[[Path, Reading], Generator[Item]]

_READERS: Mapping[str, Read] = {
    ".jsonl": json_rows, ".ndjson": json_rows, ".json": json_rows, ".csv": csv_rows, ".tsv": csv_rows,
}  # fmt: skip


def check_file(path: str | Path) -> Path:
    """Return the path. Raises `InvalidInput` for a missing or unreadable file, or an unknown format."""
    path = Path(path)
    if not path.is_file():
        why = "it is a folder" if path.is_dir() else "there is no such file"
        raise InvalidInput(f"{path}: {why}; give the path of a .jsonl or .csv file", field="path")
    if path.suffix.lower() not in _READERS:
        raise InvalidInput(f"{path}: its form is not known; use a {', '.join(_READERS)} file", field="path")
    if not os.access(path, os.R_OK):
        raise InvalidInput(f"{path}: it may not be read by this user", field="path")
    return path


def file_rows(path: str | Path, reading: Reading) -> Generator[Item]:
    """Yield the rows of a file; blocks. Errors of the whole file are raised while reading."""
    path = check_file(path)
    return _READERS[path.suffix.lower()](path, reading)
