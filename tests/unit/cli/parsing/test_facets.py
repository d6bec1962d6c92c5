"""`--facet` and `--sort`: what is asked, and how facets are shown."""

from __future__ import annotations

import msgspec
import pytest

from fleetfold_cli.parsing.sort_keys import parse_sort
from fleetfold_shared.messages import Facet, FacetValue, NodeReport, Searched, Sort
from support.commandline import FakeFleet, run_command, searched

BRAND = Facet("brand", [FacetValue("[b]Fjell\x1b[1m", 1200), FacetValue(True, 2), FacetValue(9.5, 1)], 4, 5)


def shown(answer: Searched) -> list[str]:
    return [line.rstrip() for line in run_command("search", "tent", fleet=FakeFleet(answer=answer)).out.splitlines()]


def test_a_facet_shows_its_values_what_is_left_out_and_what_is_missing() -> None:
    lines = shown(msgspec.structs.replace(searched(), facets=[BRAND]))
    start = next(place for place, line in enumerate(lines) if line.startswith("brand"))
    assert [line.split() for line in lines[start : start + 8]] == [
        ["brand", "documents"], ["─" * 25], ["[b]Fjell[1m", "1,200"], ["true", "2"], ["9.5", "1"],
        ["2", "more", "values"], ["no", "value", "4"], [],
    ]  # fmt: skip


def test_an_approximate_facet_says_so() -> None:
    facet = msgspec.structs.replace(BRAND, approximate=True)
    assert any(
        line.split() == ["brand", "about"] for line in shown(msgspec.structs.replace(searched(), facets=[facet]))
    )


def test_a_node_that_looked_at_candidates_only_is_said_to() -> None:
    answer = msgspec.structs.replace(searched(), nodes=[NodeReport("shop", "ok", 1, 12.0, exact=False)])
    assert any(line.startswith("shop") and line.endswith("candidates only") for line in shown(answer))


@pytest.mark.parametrize(
    ("text", "sort"),
    [
        ("price", Sort("price")),
        ("price:asc", Sort("price", "asc")),
        ("_score:desc", Sort("_score", "desc")),
        ("dc:title:desc", Sort("dc:title", "desc")),
        ("specs.weight", Sort("specs.weight")),
    ],
)
def test_a_sort_key_is_a_field_and_perhaps_an_order(text: str, sort: Sort) -> None:
    assert parse_sort(text) == sort


def test_another_order_is_refused_by_the_options_name() -> None:
    fleet = FakeFleet(answer=searched())
    result = run_command("search", "tent", "--sort", "price:up", "--json", fleet=fleet)
    assert result.code == 2
    assert result.json["error"]["field"] == "sort"
    assert "write price:asc or price:desc" in result.json["error"]["message"]
    assert fleet.asked == []
