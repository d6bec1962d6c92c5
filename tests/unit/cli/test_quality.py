"""`judge` and `quality`: what is refused before anything is sent, and how the figures are shown."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from fleetfold_cli.views import evaluation_view as views
from fleetfold_shared.messages import QualityMetrics, QualityReport, QueryQuality
from support.commandline import run_command


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["judge"], "give QUERY NODE/COLLECTION/ID GRADE, or --from FILE"),
        (["judge", "tent", "shop/products/t1"], "give QUERY NODE/COLLECTION/ID GRADE, or --from FILE"),
        (["judge", "tent", "shop/products/t1", "3", "--from", "-"], "give QUERY NODE/COLLECTION/ID GRADE, or --from"),
        (["judge", "tent", "shop/products", "3"], "is no hit; write NODE/COLLECTION/ID"),
        (["judge", "tent", "shop/products/t1", "4"], "grade"),
        (["judge", "tent", "Shop!/products/t1", "3"], "node"),
        (["judge", "--from", "-"], "there is nothing in it"),
        (["quality", "--since", "soon"], "since: 'soon' is no duration"),
        (["quality", "click", "tent", "shop", "1"], "is no hit"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_sent(words: list[str], why: str) -> None:
    result = run_command(*words)
    assert result.code == 2
    assert why in result.err


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "not JSON"),
        ('{"query": "tent"}', "node"),
        ('{"query": "a", "node": "n", "collection": "c", "id": "1", "grade": 3, "extra": 1}', "extra"),
    ],
)
def test_a_file_that_is_wrong_is_refused_by_its_line(tmp_path: Path, line: str, why: str) -> None:
    file = tmp_path / "judged.jsonl"
    file.write_text('\n{"query": "a", "node": "n", "collection": "c", "id": "1", "grade": 3}\n' + line)
    result = run_command("judge", "--from", str(file))
    assert result.code == 2
    assert f"{file}:3" in result.err
    assert why in result.err


def test_figures_that_are_not_there_are_a_dash_and_queries_cannot_steer_the_terminal() -> None:
    figures = QualityMetrics(node="shop", queries=1, judgements=2, ndcg=0.5, recall=1.0)
    found = QualityReport(
        fleet=QualityMetrics(searches=8, zero_rate=0.125), nodes=[figures], collections=[],
        worst=[QueryQuality("te\x1b[31mnt", 0.5, 1.0)], judged=4, measured=1, incomplete=2, since=1.0, took_ms=2.0,
    )  # fmt: skip
    console = Console(width=200, record=True, file=StringIO())
    console.print(views.report(found))
    rows = [line.split() for line in console.export_text().splitlines()]
    assert ["the", "fleet", "0", "-", "-", "0", "-", "8", "12.5%"] in rows
    assert ["shop", "1", "0.500", "1.000", "0", "-", "0", "-"] in rows
    assert ["te[31mnt", "0.500", "1.000"] in rows
    assert "1 of 4 judged queries measured; 2 lacked a node; 1 not reached, or without a relevant document" in [
        " ".join(row) for row in rows
    ]
