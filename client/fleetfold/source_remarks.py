"""Remarks on a collection's source, shown after its count of documents."""

from __future__ import annotations

from fleetfold_shared.messages import CollectionInfo

__all__ = ["remarks"]


def remarks(info: CollectionInfo) -> str:
    """` (1 record left out, 2 without text)`; the note alone if nothing is counted; empty if there are no problems.

    Of a collection that cannot be searched, the reason.
    """
    if info.damaged:
        return f" (not searched: {info.damaged})"
    counts = [
        f"{count:,} {what}"
        for count, what in (
            (info.left_out, "left out"), (info.repeated, "with the id of another"), (info.without_text, "without text"),
        )
        if count
    ]  # fmt: skip
    said = f"records: {', '.join(counts)}" if counts else info.note
    return f" ({said})" if said else ""
