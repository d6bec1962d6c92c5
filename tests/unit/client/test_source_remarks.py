"""What is to be known of a source stands behind the count of its documents, and below a node's collections."""

from __future__ import annotations

from io import StringIO

import pytest
from msgspec.structs import replace
from rich.console import Console

from fleetfold.child_program import up_line
from fleetfold.source_remarks import remarks
from fleetfold_cli.commands.child import _source
from fleetfold_cli.views.node_view import detail
from fleetfold_shared.messages import CollectionInfo, NodeDescription, NodeRecord

WELL = CollectionInfo(name="docs", documents=999)
BAD = replace(WELL, left_out=1200, repeated=2, without_text=3, note="docs.jsonl:7: not JSON")
UNREAD = replace(WELL, note="not read, the documents are those of before: docs.csv: it is empty")


@pytest.mark.parametrize(
    ("info", "said"),
    [
        (WELL, ""),
        (BAD, " (records: 1,200 left out, 2 with the id of another, 3 without text)"),
        (UNREAD, " (not read, the documents are those of before: docs.csv: it is empty)"),
    ],
)
def test_the_line_that_says_that_a_child_is_up_counts_what_is_wrong(info: CollectionInfo, said: str) -> None:
    assert remarks(info) == said
    assert up_line("shop", {"docs": info}, "nats://x") == (
        f"fleetfold child shop is up: 999 documents in docs{said}; on nats://x"
    )


def test_one_document_is_not_called_documents() -> None:
    assert "1 document in docs" in up_line("shop", {"docs": CollectionInfo("docs", 1)}, "nats://x")


def test_the_same_stands_in_the_json() -> None:
    assert _source(BAD) == {
        "left_out": 1200, "repeated": 2, "without_text": 3, "note": "docs.jsonl:7: not JSON", "damaged": "",
    }  # fmt: skip


def test_a_node_shows_what_is_to_be_known_of_its_sources() -> None:
    description = NodeDescription(incarnation="1", version="1", collections=[WELL, BAD])
    record = NodeRecord(name="shop", state="active", healthy=True, description=description, registered_at=0.0)
    shown = StringIO()
    Console(file=shown, width=300).print(detail(record))
    lines = [line.strip() for line in shown.getvalue().splitlines() if "left out" in line or "not JSON" in line]
    assert lines == [f"docs:{remarks(BAD)}: docs.jsonl:7: not JSON"]
