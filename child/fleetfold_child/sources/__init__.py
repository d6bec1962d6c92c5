"""Where documents come from: JSON, JSONL and CSV files, or any iterable of records."""

from fleetfold_child.sources.files import check_file, file_rows
from fleetfold_child.sources.options import check_reading
from fleetfold_child.sources.records import Records, documents, open_source
from fleetfold_child.sources.rows import Note, Problem, Row
from fleetfold_child.sources.stream import Found, Read, found_in

__all__ = [
    "Found", "Note", "Problem", "Read", "Records", "Row", "check_file", "check_reading", "documents", "file_rows",
    "found_in", "open_source",
]  # fmt: skip
