"""State of a collection's source at its last reading."""

from __future__ import annotations

import msgspec

from fleetfold_child.connectors.ingest_report import IndexReport

__all__ = ["MOST_NOTE_CHARS", "SourceState"]

MOST_NOTE_CHARS = 300
"""Most characters of the note sent with each heartbeat; all of it is in the log."""


class SourceState(msgspec.Struct, frozen=True):
    """Counts of records, and the first remark on the source, or why it could not be read."""

    left_out: int = 0
    repeated: int = 0
    without_text: int = 0
    note: str = ""

    @classmethod
    def of(cls, report: IndexReport) -> SourceState:
        """Return the state after a source was read."""
        first = next(iter(report.notes), "")
        return cls(report.left_out, report.repeated, report.without_text, _cut(first))

    @classmethod
    def unreadable(cls, why: str, *, documents: int, changed: bool) -> SourceState:
        """Return the state after a source could not be read, or not to its end: `changed` if that changed documents."""
        before = "not read to its end" if changed else "not read, the documents are those of before"
        return cls(note=_cut(f"{before if documents else 'not read'}: {why}"))


def _cut(text: str) -> str:
    return text if len(text) <= MOST_NOTE_CHARS else f"{text[: MOST_NOTE_CHARS - 1]}…"
