"""What nodes, documents and other callers say cannot steer the terminal, nor make lines of its own."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from fleetfold_cli.safe_text import clean, escaped, flat
from fleetfold_cli.views import access_view, dead_letter_view
from fleetfold_shared.errors import InvalidInput, Unavailable
from fleetfold_shared.messages import DeadLetterListed, FieldNote, Hit
from support.commandline import FakeFleet, run_command, searched

ESC, BELL, CSI, OSC = "\x1b[31m", "\x07", "\x9b31m", "\x1b]0;title\x07"
RLO, PDI, ALM, LINE, TAG = "\u202e", "\u2069", "\u061c", "\u2028", "\U000e0041"
HOSTILE = f"a\nroot  1.000  shop/docs/fake\r{ESC}{BELL}{CSI}{OSC}{RLO}{PDI}{ALM}{LINE}{TAG}\x00\x7fz"
FORBIDDEN = set(f"\r\x1b{BELL}\x9b{RLO}{PDI}{ALM}{LINE}{TAG}\x00\x7f")


def hostile_hit() -> Hit:
    return Hit(
        node=HOSTILE, collection=HOSTILE, id=HOSTILE, score=0.5, parts={"bm25": 0.5, "cosine": 0.5}, title=HOSTILE,
        content=HOSTILE, cut=[HOSTILE],
    )  # fmt: skip


def answer() -> Any:
    found = searched(partial=True)
    nodes = [replace(one, error=HOSTILE, reason=HOSTILE) for one in found.nodes]
    return replace(found, hits=[hostile_hit()], nodes=nodes, notes=[FieldNote("no_such_field", "x", HOSTILE)])


@pytest.mark.parametrize("options", [[], ["--explain"], ["--highlight"]], ids=str)
def test_a_hit_makes_no_lines_and_no_escapes(options: list[str]) -> None:
    honest = replace(hostile_hit(), node="n", collection="c", id="i", title="t", content="text", cut=["content"])
    plain = run_command("search", "tent", *options, fleet=FakeFleet(answer=replace(answer(), hits=[honest])))
    result = run_command("search", "tent", *options, fleet=FakeFleet(answer=answer()))
    assert not FORBIDDEN & set(result.out)
    assert result.out.count("\n") == plain.out.count("\n")
    assert not any(line.startswith("root") for line in result.out.splitlines())


def test_json_says_the_same_with_escapes_in_their_place() -> None:
    result = run_command("search", "tent", "--json", fleet=FakeFleet(answer=answer()))
    assert not FORBIDDEN & set(result.out)
    assert json.loads(result.out)["hits"][0]["id"] == HOSTILE


def test_an_error_of_foreign_origin_is_one_clean_line() -> None:
    result = run_command("search", "tent", fleet=FakeFleet(error=Unavailable(HOSTILE)))
    assert not FORBIDDEN & set(result.err)
    assert result.err.count("\n") == 1


def test_cleaning_leaves_words_alone() -> None:
    text = "grüße\tשלום 日本語 🏕️ é\n"
    assert clean(text) == text
    assert flat("a\r\n\tb") == "a b"
    assert json.loads(escaped(json.dumps([HOSTILE], ensure_ascii=False))) == [HOSTILE]


@pytest.mark.parametrize(
    ("words", "none_yet", "none_match"),
    [
        (["nodes", "list"], "no nodes yet", ["--where", "role=shop"]),
        (["jobs", "list"], "no jobs yet", ["--state", "failed", "--action", "ship"]),
        (["tx", "list"], "no transactions yet", ["--state", "parked"]),
    ],
    ids=["nodes", "jobs", "tx"],
)
def test_none_yet_is_said_only_where_there_are_none(words: list[str], none_yet: str, none_match: list[str]) -> None:
    assert run_command(*words, fleet=FakeFleet(records=[], answer=[])).out.startswith(none_yet)
    filtered = run_command(*words, *none_match, fleet=FakeFleet(records=[], answer=[])).out
    assert "yet" not in filtered
    assert f" match {' '.join(none_match)}\n" in filtered


def test_the_lists_of_letters_and_of_the_audit_log_say_what_nothing_matches() -> None:
    none = DeadLetterListed(dead_letters=[], total=0)
    assert drawn(dead_letter_view.listing(none)) == "no dead letters"
    assert drawn(dead_letter_view.listing(none, node="shop")) == "no dead letters match --node shop"
    assert drawn(access_view.entries([], node=None, who="till")) == "no entries of the audit log match --who till"


def drawn(view: object) -> str:
    assert isinstance(view, str)
    return view


def test_a_cached_answer_says_that_it_is_one_and_how_old() -> None:
    cached = replace(searched(), cached=True, age_s=12.4)
    assert "a cached answer, 12 s old" in run_command("search", "tent", fleet=FakeFleet(answer=cached)).out
    fields = run_command("search", "tent", "--json", fleet=FakeFleet(answer=cached)).json
    assert (fields["cached"], fields["age_s"]) == (True, 12.4)
    assert "cached answer" not in run_command("search", "tent", fleet=FakeFleet(answer=searched())).out


def test_a_filter_without_a_value_is_refused_by_what_is_missing() -> None:
    refused = InvalidInput("filter.value: missing; say what `price` is compared with", field="filter.value")
    result = run_command("search", "tent", "--filter", '{"field": "price"}', fleet=FakeFleet(error=refused))
    assert result.code == 2
    assert "filter.value: missing" in result.err
