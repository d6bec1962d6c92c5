"""`fleetfold search --highlight` and `--explain`: what is asked, and what people and scripts read."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from rich.console import Console

from fleetfold_cli.views.highlight_view import marked
from fleetfold_cli.views.search_view import answer
from fleetfold_shared.messages import CollectionExplained, NodeExplained, Searched, Span, Term
from fleetfold_shared.text.highlighting import highlighted
from fleetfold_shared.text.score_explanation import explained
from support.commandline import FakeFleet, run_command, searched

TITLE, CONTENT = "Gale tent", "Light.\nA tent\x1b[31m for rain."


def found() -> Searched:
    plain = searched(title=TITLE, content=CONTENT)
    hit = replace(
        plain.hits[0],
        highlight=highlighted(TITLE, CONTENT, {"tent": 2.0, "rain": 1.0}),
        explain=explained([Term("tent", 1, 2.0), Term("zebra", 1, 3.0)], 4.0, 5.0, 0.7, 0.6, ["tent", "gale"]),
    )
    how = NodeExplained(
        "asked: it has products", 1.5, 10.5, 1234, 1234, True, False,
        [CollectionExplained("products", 1234, 1234, True, 7, 6)],
    )  # fmt: skip
    return replace(plain, hits=[hit], nodes=[replace(plain.nodes[0], explain=how)])


@pytest.mark.parametrize(
    ("given", "highlight", "explain"),
    [
        ([], False, False),
        (["--highlight"], True, False),
        (["--explain"], False, True),
        (["--no-highlight"], False, False),
    ],
)
def test_what_is_not_asked_for_is_not_made_where_there_is_no_terminal(
    given: list[str], highlight: bool, explain: bool
) -> None:
    fleet = FakeFleet(answer=searched())
    run_command("search", "tent", *given, fleet=fleet)
    _, asked = fleet.asked[0]
    assert (asked["highlight"], asked["explain"]) == (highlight, explain)


def test_matched_terms_stand_between_asterisks_and_a_snippet_stays_on_its_line() -> None:
    result = run_command("search", "tent", "--highlight", fleet=FakeFleet(answer=found()))
    assert "shop/products/TNT-204  Gale **tent**\n     Light. A **tent**[31m for **rain**.\n" in result.out


def test_matched_terms_are_bold_on_a_terminal() -> None:
    console = Console(force_terminal=True, width=80, color_system="standard", highlight=False)
    with console.capture() as captured:
        console.print(answer(found(), styled=True))
    assert "\x1b[1;33mtent\x1b[0m" in captured.get()
    assert "**" not in captured.get()


def test_an_explanation_adds_up_on_the_screen() -> None:
    out = run_command("search", "tent", "--explain", fleet=FakeFleet(answer=found())).out
    assert "= 0.7 x BM25 0.2286 + 0.3 x cosine 0.6000; BM25 0.2286 = 1.1429 / 5.0000; 2 terms" in out
    rows = [line.split() for line in out.splitlines()]
    assert ["tent", "1", "1", "2.0000", "1.1429", "0.2286"] in rows
    assert ["zebra", "1", "0", "3.0000", "0.0000", "0.0000"] in rows
    assert "shop: asked: it has products; 1.5 ms inside it, 10 ms on the way; 1,234 of 1,234 documents scored" in out
    assert "products: 1,234 of 1,234 scored, exact; statistics' epoch 7, the master's 6" in out


def test_scripts_get_the_same_as_objects() -> None:
    answer = run_command("search", "tent", "--explain", "--highlight", "--json", fleet=FakeFleet(answer=found())).json
    [hit] = answer["hits"]
    assert hit["highlight"]["spans"][0] == {"field": "title", "start": 5, "end": 9}
    assert list(hit["explain"]["terms"][0]) == ["term", "qtf", "tf", "idf", "bm25", "share"]
    assert answer["nodes"][0]["explain"]["collections"][0]["master_epoch"] == 6


def test_spans_of_a_node_that_lies_mark_nothing_and_break_nothing() -> None:
    spans = [Span("title", -5, 2), Span("title", 3, 10**12), Span("title", 9, 4), Span("content", 0, 1)]
    assert marked("a tent", spans, "title", "", styled=False).plain == "**a** t**ent**"
    assert marked("a tent", spans, "title", "", styled=False, width=4).plain == "**a** t…"
