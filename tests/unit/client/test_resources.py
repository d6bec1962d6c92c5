"""Every verb of the API that callers may use is a call of a client, and no call has a verb of its own."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable

import pytest

from fleetfold import Client, Judgement, NodeUpdate, Run, ScheduleSpec, StepSpec, Transaction
from fleetfold_shared.verbs import VERBS
from support.pages import ROOT
from support.recording import RecordingBus, asked, sent

GIVEN: dict[str, Callable[[Client], Awaitable[object]]] = {
    "nodes.get": lambda ann: ann.nodes.get("shop"),
    "nodes.audit": lambda ann: ann.nodes.audit("shop"),
    "nodes.update": lambda ann: ann.nodes.update(NodeUpdate(node="shop", weight=2.0)),
    "nodes.remove": lambda ann: ann.nodes.remove("shop"),
    "nodes.reconcile": lambda ann: ann.nodes.reconcile("shop"),
    "nodes.invite": lambda ann: ann.nodes.invite("shop"),
    "nodes.approve": lambda ann: ann.nodes.approve("shop"),
    "nodes.revoke": lambda ann: ann.nodes.revoke("shop"),
    "search.query": lambda ann: ann.search("tent"),
    "quality.judge": lambda ann: ann.evaluation.judge([Judgement("tent", "shop", "products", "t1", 3)]),
    "quality.click": lambda ann: ann.evaluation.click("tent", "shop", "products", "t1", 1),
    "quality.report": lambda ann: ann.evaluation.report(),
    "quality.forget": lambda ann: ann.evaluation.forget("tent"),
    "ask.question": lambda ann: ann.ask("why?").text(),
    "actions.run": lambda ann: ann.run("sync", nodes="shop"),
    "actions.submit": lambda ann: anext(ann.submit([Run(id="r", action="sync", nodes=["shop"])])),
    "jobs.get": lambda ann: ann.jobs.get("j1"),
    "jobs.wait": lambda ann: ann.jobs.handle("j1").result(),
    "jobs.follow": lambda ann: anext(ann.jobs.follow("j1")),
    "jobs.cancel": lambda ann: ann.jobs.cancel("j1"),
    "transactions.run": lambda ann: ann.transact([StepSpec(name="a", node="shop", action="reserve")]),
    "transactions.get": lambda ann: ann.transactions.get("t1"),
    "transactions.wait": lambda ann: ann.transactions.handle("t1").result(),
    "transactions.follow": lambda ann: anext(ann.transactions.follow("t1")),
    "transactions.cancel": lambda ann: ann.transactions.cancel("t1"),
    "transactions.retry": lambda ann: ann.transactions.retry("t1"),
    "transactions.skip": lambda ann: ann.transactions.skip("t1", "a", "by hand"),
    "transactions.resolve": lambda ann: ann.transactions.resolve("t1", "committed", "by hand"),
    "schedules.put": lambda ann: ann.schedules.put(ScheduleSpec(name="nightly", every_s=3600)),
    "schedules.get": lambda ann: ann.schedules.get("nightly"),
    "schedules.remove": lambda ann: ann.schedules.remove("nightly"),
    "schedules.pause": lambda ann: ann.schedules.pause("nightly"),
    "schedules.resume": lambda ann: ann.schedules.resume("nightly"),
    "schedules.fire": lambda ann: ann.schedules.fire("nightly"),
    "dead_letters.get": lambda ann: ann.dead_letters.get("a1"),
    "dead_letters.retry": lambda ann: ann.dead_letters.retry("a1"),
    "dead_letters.drop": lambda ann: ann.dead_letters.drop("a1"),
    "definitions.put": lambda ann: ann.definitions.put(_order()),
    "definitions.get": lambda ann: ann.definitions.get("order"),
    "definitions.remove": lambda ann: ann.definitions.remove("order"),
    "keys.create": lambda ann: ann.keys.create("bob"),
    "keys.rotate": lambda ann: ann.keys.rotate("bob"),
    "keys.revoke": lambda ann: ann.keys.revoke("bob"),
    "keys.sign": lambda ann: ann.keys.rotate_signing(),
}
PAGE = ROOT / "docs" / "how-to" / "use-from-python.md"
LATER = {"jobs.ended"}
"""Sent by `submit`, after runs were accepted."""
OTHERS = {"nodes.join", "commands.confirm"}
"""Verbs of nodes."""


def _without_arguments(verb: str) -> Callable[[Client], Awaitable[object]]:
    """`fleet.<area>.<verb>()`."""
    area, _, short = verb.partition(".")
    return lambda ann: getattr(getattr(ann, area), short)()


CALLS = {verb: GIVEN.get(verb) or _without_arguments(verb) for verb in VERBS if verb not in LATER | OTHERS}
"""What calls each verb: a call of its own name without arguments, unless one is given."""


def _order() -> Transaction:
    order = Transaction("order")
    order.step("shop.reserve")
    return order


def test_every_verb_is_a_call_of_the_client() -> None:
    assert GIVEN.keys() <= CALLS.keys() == VERBS.keys() - LATER - OTHERS


@pytest.mark.parametrize("verb", CALLS)
async def test_a_call_sends_the_message_of_its_verb(verb: str) -> None:
    assert (await sent(CALLS[verb]))[0] == verb
    assert isinstance(await asked(CALLS[verb], VERBS[verb].takes), VERBS[verb].takes)


def test_the_page_names_every_noun_with_all_its_calls() -> None:
    ann = Client(RecordingBus())  # type: ignore[arg-type]
    rows = dict(re.findall(r"^\| `fleet\.(\w+)` \| (.*) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    assert rows.keys() == {name for name in vars(ann) if not name.startswith("_")}
    for noun, calls in rows.items():
        there = {name for name, _ in inspect.getmembers(getattr(ann, noun), callable) if not name.startswith("_")}
        assert set(re.findall(r"`(\w+)`", calls)) == there, noun


def test_the_client_itself_has_no_more_than_what_everybody_needs() -> None:
    methods = {name for name, _ in inspect.getmembers(Client, callable) if not name.startswith("_")}
    assert methods == {"ask", "close", "connect", "run", "search", "search_pages", "submit", "transact"}
