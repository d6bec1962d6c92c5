"""The commands against a made-up fleet: what they ask for, what they print, how they end."""

from __future__ import annotations

import re
import time
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace
from rich.console import Console

from fleetfold_cli.views.node_view import listing
from fleetfold_shared.errors import InvalidInput, Unavailable
from fleetfold_shared.messages import Filter, JobNode, NodeReport, NodeStats, Sort, Source, StepView
from support.commandline import FakeFleet, job, node, run_command, searched, transaction

STEPS = '{"steps": [{"name": "a", "node": "shop", "action": "b"}]}'


def test_search_asks_for_what_the_options_say() -> None:
    fleet = FakeFleet(answer=searched())
    result = run_command(
        "search", "a tent", "--node", "shop", "--node", "blog", "--collection", "posts", "--limit", "3", "--threshold",
        "0.5", "--timeout", "1.5", "--filter", '{"field": "price", "op": "lt", "value": 9}',
        "--dedup", "near", "--facet", "brand", "--facet", "price", "--sort", "price:desc", "--sort", "_score",
        "--url", "nats://elsewhere:4222", "--prefix", "test", fleet=fleet,
    )  # fmt: skip
    assert result.code == 0
    assert fleet.connected == ("nats://elsewhere:4222", "test")
    assert fleet.closed
    assert fleet.asked == [
        (
            "search",
            {
                "query": "a tent", "limit": 3, "threshold": 0.5, "nodes": ("shop", "blog"), "collections": ("posts",),
                "filter": Filter("price", "lt", 9), "timeout_s": 1.5,
                "highlight": False, "explain": False, "cursor": None, "dedup": "near", "facets": ("brand", "price"),
                "sort": [Sort("price", "desc"), Sort("_score")], "among": (), "context": (), "partial": "allow",
                "max_parallel": None, "alpha": None, "cache": "use",
            },
        )
    ]  # fmt: skip


def test_search_by_auto_narrows_to_the_nodes_named() -> None:
    fleet = FakeFleet(answer=searched())
    options = ["--auto", "--node", "shop", "--context", "a sleeping bag", "--partial", "fail", "--max-parallel", "4"]
    run_command("search", "a tent", *options, "--alpha", "0.5", "--cache", "off", fleet=fleet)
    asked = fleet.asked[0][1]
    assert (asked["nodes"], asked["among"], asked["context"]) == ("auto", ("shop",), ("a sleeping bag",))
    assert (asked["partial"], asked["max_parallel"], asked["alpha"], asked["cache"]) == ("fail", 4, 0.5, "off")


def test_search_prints_exactly_the_documented_fields() -> None:
    answer = run_command("search", "tent", "--json", fleet=FakeFleet(answer=searched(partial=True))).json
    fields = ["query", "hits", "nodes", "total", "took_ms", "partial", "cursor", "changed", "facets"]
    assert list(answer) == [*fields, "coverage", "cached", "age_s", "notes"]
    fields = ["node", "collection", "id", "score", "parts", "title", "content", "metadata", "highlight", "explain"]
    fields += ["also", "also_left_out", "cut"]
    assert [list(hit) for hit in answer["hits"]] == [fields]
    assert answer["nodes"][1] == {
        "node": "blog", "status": "timeout", "count": 0, "ms": None, "error": "no answer within 2 s",
        "explain": None, "exact": True, "expected": 0.0, "reason": None, "replica": None, "rescored": False,
        "code": None,
    }  # fmt: skip


def test_search_shows_hits_and_nodes() -> None:
    result = run_command("search", "tent", fleet=FakeFleet(answer=searched(partial=True)))
    assert "1  1.234  shop/products/TNT-204  A tent\n     It is light.\n" in result.out
    assert "blog   timeout      0       -   no answer within 2 s" in result.out
    assert "1 hit in 14 ms; partial" in result.out


def test_a_hit_names_its_other_sources() -> None:
    found = searched()
    sources = [Source("blog", "posts", str(number), 0.5) for number in range(5)]
    hit = replace(found.hits[0], also=sources, also_left_out=2)
    shown = run_command("search", "tent", fleet=FakeFleet(answer=replace(found, hits=[hit]))).out
    assert "It is light.\n     also blog/posts/0, blog/posts/1, blog/posts/2 and 4 more\n" in shown


@pytest.mark.parametrize(("partial", "code"), [(False, 0), (True, 3)])
def test_a_partial_answer_is_exit_code_three(partial: bool, code: int) -> None:
    assert run_command("search", "tent", fleet=FakeFleet(answer=searched(partial=partial))).code == code


@pytest.mark.parametrize(
    ("text", "field", "said"),
    [
        ("{", "filter", "filter: not JSON"),
        ('{"fild": "x"}', "fild", "filter: fild: there is no such key"),
        ('{"all": [{"field": 3}]}', "all[0].field", "filter: all[0].field: expected"),
        ("3", "filter", "filter: expected `object`"),
    ],
)
def test_a_malformed_filter_is_refused_before_anything_is_sent(text: str, field: str, said: str) -> None:
    fleet = FakeFleet(answer=searched())
    result = run_command("search", "tent", "--filter", text, "--json", fleet=fleet)
    assert (result.code, fleet.asked) == (2, [])
    assert result.json["error"]["field"] == field
    assert said in result.err


def test_run_reads_its_values_by_the_schema_of_its_target() -> None:
    fleet = FakeFleet(answer=job())
    result = run_command("run", "shop", "reserve_stock", "sku=204", "quantity=2", fleet=fleet)
    assert result.code == 0
    verb, asked = fleet.asked[-1]
    assert (verb, asked["params"], asked["nodes"], asked["all"]) == (
        "run",
        {"sku": "204", "quantity": 2},
        ["shop"],
        False,
    )


def test_run_asks_nobody_for_a_schema_that_it_does_not_need() -> None:
    fleet = FakeFleet(answer=job())
    run_command("run", "shop", "reserve_stock", "quantity:=2", fleet=fleet)
    assert [verb for verb, _ in fleet.asked] == ["run"]


def test_run_on_all_needs_no_target() -> None:
    fleet = FakeFleet(answer=job())
    run_command("run", "--all", "reserve_stock", "sku=204", "--sequential", fleet=fleet)
    _, asked = fleet.asked[-1]
    assert (asked["action"], asked["params"], asked["nodes"]) == ("reserve_stock", {"sku": "204"}, [])
    assert (asked["all"], asked["sequential"]) == (True, True)


def test_run_takes_several_targets_and_leaves_what_is_unknown_to_the_master() -> None:
    fleet = FakeFleet(answer=job())
    run_command("run", "shop,blog", "unheard_of", "x=1", fleet=fleet)
    _, asked = fleet.asked[-1]
    assert (asked["nodes"], asked["action"], asked["params"]) == (["shop", "blog"], "unheard_of", {"x": 1})


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "TARGET is missing"),
        (["shop"], "ACTION is missing"),
        (["--all"], "ACTION is missing"),
        (["shop", "sync", "--all"], "TARGET and --all exclude each other"),
        (["shop", "sync", "now"], "'now' is no parameter"),
    ],
)
def test_run_says_what_is_missing(words: list[str], said: str) -> None:
    result = run_command("run", *words)
    assert result.code == 2
    assert said in result.err


def test_run_detached_prints_the_id_alone() -> None:
    fleet = FakeFleet(answer=job("running"))
    result = run_command("run", "shop", "sync", "--detach", "--id", "j1", fleet=fleet)
    assert result.out == "j1\n"
    assert fleet.asked[-1][1]["wait"] is False
    assert fleet.asked[-1][1]["id"] == "j1"


def test_run_shows_every_nodes_outcome() -> None:
    assert (
        'shop   ok        4.2 ms   {"left":3}' in run_command("run", "shop", "sync", fleet=FakeFleet(answer=job())).out
    )
    failed = job("failed", outcome="failed")
    assert "too few" in run_command("run", "shop", "sync", fleet=FakeFleet(answer=failed)).out


def test_a_transaction_is_shown_with_its_steps_and_its_timeline() -> None:
    shown = run_command("tx", "run", "-", fleet=FakeFleet(answer=transaction("rolled_back")), stdin=STEPS).out
    assert '0   reserve   shop   reserve_stock   done        1   {"left":3}' in shown
    assert "250 ms" in shown
    assert "order: rolled_back  transaction t1\npayment: declined" in shown


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (["cancel", "t1"], ("cancel", ("t1", ""))),
        (["cancel", "t1", "--why", "wrong order"], ("cancel", ("t1", "wrong order"))),
        (["retry", "t1"], ("retry", ("t1", None, ""))),
        (["retry", "t1", "--step", "crm", "--why", "mended"], ("retry", ("t1", "crm", "mended"))),
        (["skip", "t1", "crm", "--why", "by hand"], ("skip", ("t1", "crm", "by hand"))),
        (["resolve", "t1", "committed", "--why", "by hand"], ("resolve", ("t1", "committed", "by hand"))),
        (["follow", "t1", "--timeout", "5"], ("follow", ("t1", 5.0))),
    ],
)
def test_what_operators_ask_about_transactions(words: list[str], asked: tuple[str, object]) -> None:
    fleet = FakeFleet(answer=transaction("committed"))
    assert run_command("tx", *words, fleet=fleet).code == 0
    assert fleet.asked == [asked]


def test_a_dry_run_begins_nothing() -> None:
    fleet = FakeFleet(answer=transaction("checked"))
    assert run_command("tx", "run", "-", "--dry-run", fleet=fleet, stdin=STEPS).code == 0
    assert [what for what, _ in fleet.asked] == ["check"]


def test_what_was_only_checked_would_run() -> None:
    step = StepView("order", "shop", "reserve", 0, "waiting", would_run=True)
    view = replace(transaction("checked"), steps=[step])
    told = run_command("tx", "run", "-", "--dry-run", fleet=FakeFleet(answer=view), stdin=STEPS)
    assert told.out.count("would run") == 2
    said = run_command("tx", "run", "-", "--dry-run", "--json", fleet=FakeFleet(answer=view), stdin=STEPS)
    assert said.json["steps"][0]["would_run"] is True
    checked = job("checked", nodes=[JobNode("shop", would_run=True)])
    told = run_command("run", "shop", "sync", "--dry-run", fleet=FakeFleet(answer=checked))
    assert (told.out.count("would run"), "running" in told.out) == (2, False)
    said = run_command("run", "shop", "sync", "--dry-run", "--json", fleet=FakeFleet(answer=checked))
    assert [(node["node"], node["outcome"], node["would_run"]) for node in said.json["nodes"]] == [("shop", None, True)]


def test_a_transaction_file_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    fleet = FakeFleet()
    file = tmp_path / "order.toml"
    file.write_text('[[steps]]\nname = "a"\n')
    result = run_command("tx", "run", str(file), fleet=fleet)
    assert (result.code, fleet.connected) == (2, None)
    assert "order.toml: steps[0].node: missing" in result.err


def test_lists_are_documents_with_a_named_list() -> None:
    assert list(run_command("nodes", "list", "--json").json) == ["nodes"]
    assert list(run_command("jobs", "list", "--json", fleet=FakeFleet(answer=[job()])).json) == ["jobs"]
    empty = run_command("jobs", "list", "--json", fleet=FakeFleet(answer=[]))
    assert empty.json == {"jobs": []}


def test_json_spells_out_what_the_wire_leaves_out() -> None:
    record = run_command("nodes", "show", "shop", "--json").json
    assert record["title"] == ""
    assert record["description"]["type"] == "app"
    assert record["description"]["collections"] == [
        {
            "name": "products",
            "documents": 1234,
            "epoch": 0,
            "updated_at": None,
            "keys": [],
            "alpha": None,
            "replica": None,
            "left_out": 0,
            "repeated": 0,
            "without_text": 0,
            "note": "",
            "damaged": "",
        }
    ]
    assert "v" not in record


def test_nodes_are_shown_in_a_table_and_one_by_one() -> None:
    records = [node(presence="up"), node("blog", healthy=False, presence="not_heard")]
    listed = run_command("nodes", "list", fleet=FakeFleet(records=records)).out
    assert "shop   app    active   yes             1,234         1" in listed
    assert "blog   app    active   not heard       1,234         1" in listed
    assert "reserve_stock(sku: string, quantity: integer = 1)" in run_command("nodes", "show", "shop").out


@pytest.mark.parametrize(
    ("answers", "code"), [({"shop": 1.0}, 0), ({"shop": None, "blog": 1.0}, 3), ({"shop": None}, 1), ({}, 0)]
)
def test_the_exit_code_of_ping_says_who_answered(answers: dict[str, float | None], code: int) -> None:
    fleet = FakeFleet(answer=answers)
    assert run_command("nodes", "ping", "shop", "--timeout", "0.5", fleet=fleet).code == code
    assert fleet.asked == [("ping", (("shop",), 0.5))]


@pytest.mark.parametrize(
    ("answers", "code"), [({"shop": 1.0, "old": None}, 0), ({"shop": None, "old": None}, 1), ({"old": None}, 0)]
)
def test_a_stopped_node_is_missed_by_a_ping_of_all_only_if_it_is_named(
    answers: dict[str, float | None], code: int
) -> None:
    fleet = FakeFleet(answer=answers, records=[node(presence="up"), node("old", presence="stopped")])
    pinged = run_command("nodes", "ping", fleet=fleet)
    assert (pinged.code, re.search(r"old +stopped", pinged.out) is not None) == (code, True)
    assert run_command("nodes", "ping", "old", fleet=FakeFleet(answer={"old": None})).code == 1


def test_update_changes_what_is_given_and_nothing_else() -> None:
    fleet = FakeFleet()
    run_command("nodes", "update", "shop", "--state", "maintenance", "--label", "zone=us", fleet=fleet)
    _, change = fleet.asked[0]
    assert (change.node, change.state, change.labels) == ("shop", "maintenance", {"zone": "us"})
    assert (change.title, change.weight) == (None, None)
    words = ["--unlabel", "a", "--unlabel", "b", "--labels-from-node"]
    run_command("nodes", "update", "shop", *words, fleet=fleet)
    _, change = fleet.asked[1]
    assert (change.labels, change.unlabel, change.labels_from_node) == (None, ["a", "b"], True)
    refused = run_command("nodes", "update", "shop", fleet=fleet)
    assert refused.code == 2
    assert "nothing to change" in refused.err


def test_nodes_that_do_not_work_say_why_and_stopped_ones_how_to_retire_them() -> None:
    broken = node("crm", state="error", since=3.0, reason="ledger: node.db is missing", presence="up")
    listed = run_command("nodes", "list", fleet=FakeFleet(records=[broken, node("blog", presence="stopped")])).out
    assert "ago): ledger: node.db is missing" in listed
    assert "stopped: blog; `fleetfold nodes remove NAME` retires" in listed


def test_versions_and_labels_are_listed_on_request() -> None:
    fleet = FakeFleet(records=[node()])
    assert "0.1.0" not in run_command("nodes", "list", fleet=fleet).out
    assert "0.1.0    zone=eu" in run_command("nodes", "list", "--wide", fleet=fleet).out


def test_a_terminal_of_100_columns_shows_a_node_with_its_version_whole() -> None:
    shown, now = StringIO(), time.time()
    record = node("shop", last_seen_at=now, since=now, presence="up")
    Console(file=shown, width=100).print(listing([record], wide=True))
    heading, _, first = shown.getvalue().splitlines()
    names = "node type state up documents actions last seen response since version labels"
    assert heading.split() == names.split()
    row = "shop app active yes 1,234 1 0 s ago 1.5 ms 0 s ago 0.1.0 zone=eu"
    assert first.split() == row.split()


def test_what_was_granted_and_what_is_not_is_shown() -> None:
    said = replace(node().description, actions=[], withheld={"actions": 3})
    record = replace(
        node(), description=said, granted=["search"], label_sources={"zone": "operator"}, since=1.0, reason="why"
    )
    shown = run_command("nodes", "show", "shop", fleet=FakeFleet(records=[record])).out
    assert "search; not granted: actions, events, api" in shown
    assert "actions: not granted; the node has 3" in shown
    assert "zone=eu (set here)" in shown
    assert "reason" in shown


def test_a_stopped_node_is_told_and_the_answer_is_whole() -> None:
    found = searched()
    found = replace(found, nodes=[*found.nodes, NodeReport("blog", "stopped", error="it has said goodbye")])
    result = run_command("search", "tent", fleet=FakeFleet(answer=found))
    assert result.code == 0
    assert "not searched, for it is stopped: blog (`fleetfold nodes remove NAME` retires a node)" in result.out


def test_removing_a_node_says_so() -> None:
    assert run_command("nodes", "remove", "shop").out == "shop is removed\n"
    assert run_command("nodes", "remove", "shop", "--json").json == {"node": "shop", "removed": True}


def test_stats_are_figures() -> None:
    class Counted(FakeFleet):
        @property
        def nodes(self) -> Any:
            return SimpleNamespace(stats=self._stats)

        async def _stats(self) -> NodeStats:
            return NodeStats(total=2, healthy=1, by_state={"active": 2}, by_type={"app": 2}, documents=5)

    assert run_command("nodes", "stats", "--json", fleet=Counted()).json["documents"] == 5
    assert "2, 1 healthy" in run_command("nodes", "stats", fleet=Counted()).out


def test_a_document_cannot_steer_the_terminal() -> None:
    nasty = searched(title="[bold]\x1b[31mred\x07", content="one\ntwo\u202e\r[/]")
    shown = run_command("search", "x", fleet=FakeFleet(answer=nasty)).out
    assert "[bold][31mred\n     one two [/]\n" in shown


@pytest.mark.parametrize("words", [["nodes", "list"], ["search", "x"], ["nodes", "list", "--json"]])
def test_a_refusal_is_one_line_and_its_own_exit_code(words: list[str]) -> None:
    for error, code in ((Unavailable("no broker\nhere"), 1), (InvalidInput("limit: 0 is outside", field="limit"), 2)):
        result = run_command(*words, fleet=FakeFleet(error=error))
        assert result.code == code
        assert result.err == f"fleetfold: {' '.join(error.message.split())}\n"


def test_a_refusal_in_json_is_a_document_too() -> None:
    result = run_command("search", "x", "--json", fleet=FakeFleet(error=InvalidInput("limit: no", field="limit")))
    assert result.json == {"error": {"code": "invalid_input", "message": "limit: no", "field": "limit"}}


def test_a_bad_prefix_is_refused_before_it_reaches_a_subject() -> None:
    fleet = FakeFleet()
    assert run_command("nodes", "list", "--prefix", "a.>", fleet=fleet).code == 2
    assert fleet.connected is None
