"""Sources of documents: JSON, JSONL and CSV files, or any iterable of records."""

from fleetfold_child.connectors.files.file_formats import check_file, file_rows
from fleetfold_child.connectors.files.reading_declaration import check_reading
from fleetfold_child.connectors.files.source_items import Problem, SourceNote, SourceRow
from fleetfold_child.connectors.files.stream import Found, Read, read_documents
from fleetfold_child.connectors.files.strict_documents import Records, documents, open_source

__all__ = [
    "Found",
    "Problem",
    "Read",
    "Records",
    "SourceNote",
    "SourceRow",
    "check_file",
    "check_reading",
    "documents",
    "file_rows",
    "open_source",
    "read_documents",
]  # fmt: skip
