"""The subjects: who publishes stands in them, and a pattern hears exactly its own kind."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetfold_broker.subjects import Subjects, inbox

SUBJECTS = Subjects()
KINDS = {
    "heartbeat": ("fleet.hb.shop", lambda s: s.heartbeat("shop")),
    "ask": ("fleet.ask.search", lambda s: s.ask("search")),
    "call": ("fleet.call.shop.search", lambda s: s.call("shop", "search")),
    "gather": ("fleet.gather.requester.shop", lambda s: s.gather("requester", "shop")),
    "command": ("fleet.cmd.shop", lambda s: s.command("shop")),
    "deliver": ("fleet.deliver.shop", lambda s: s.deliver("shop")),
    "result": ("fleet.res.shop", lambda s: s.result("shop")),
    "progress": ("fleet.prog.shop", lambda s: s.progress("shop")),
    "event": ("fleet.evt.shop.node.up", lambda s: s.event("shop", "node.up")),
    "notify": ("fleet.notify.ann.order.done", lambda s: s.notify("ann", "order.done")),
    "api": ("fleet.api.cli.nodes.list", lambda s: s.api("cli", "nodes.list")),
    "direct": ("fleet.api.cli.at.m1.nodes.list", lambda s: s.direct("cli", "m1", "nodes.list")),
    "locate": ("fleet.api.cli.locate", lambda s: s.locate("cli")),
    "join": ("fleet.join.shop.enrol", lambda s: s.join("shop", "enrol")),
    "peer": ("fleet.peer.m1.result", lambda s: s.peer("m1", "result")),
    "confirm": ("fleet.confirm.shop", lambda s: s.confirm("shop")),
    "discovery": ("fleet.srv.PING", lambda s: s.discovery("PING")),
}
PATTERNS = {
    "fleet.hb.*": SUBJECTS.heartbeat(),
    "fleet.gather.requester.*": SUBJECTS.gather("requester"),
    "fleet.cmd.*": SUBJECTS.command(),
    "fleet.res.*": SUBJECTS.result(),
    "fleet.prog.*": SUBJECTS.progress(),
    "fleet.evt.*.>": SUBJECTS.event(),
    "fleet.api.*.>": SUBJECTS.api(),
    "fleet.join.*.>": SUBJECTS.join(),
}


@pytest.mark.parametrize(("subject", "make"), KINDS.values(), ids=KINDS)
def test_a_subject_is_as_the_design_has_it(subject: str, make: Callable[[Subjects], str]) -> None:
    assert make(SUBJECTS) == subject
    assert make(Subjects("other")) == subject.replace("fleet", "other", 1)


def test_no_kind_of_subject_is_left_out_here() -> None:
    methods = {name for name, _ in inspect.getmembers(Subjects, inspect.isfunction) if not name.startswith("_")}
    assert methods - {"token"} == set(KINDS)


@pytest.mark.parametrize(("pattern", "made"), PATTERNS.items(), ids=PATTERNS)
def test_without_arguments_it_is_the_pattern_of_them_all(pattern: str, made: str) -> None:
    assert made == pattern


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_hears_its_own_kind_and_no_other(pattern: str) -> None:
    heard = [kind for kind, (subject, _) in KINDS.items() if _matches(pattern, subject)]
    assert heard == [kind for kind, (subject, _) in KINDS.items() if subject.split(".")[1] == pattern.split(".")[1]]


def test_requests_stay_out_of_the_streams() -> None:
    stored = [SUBJECTS.command(), SUBJECTS.result(), SUBJECTS.event()]
    asked = [KINDS[kind][0] for kind in ("ask", "call", "api", "join", "gather", "deliver", "heartbeat", "confirm")]
    assert not any(_matches(pattern, subject) for pattern in stored for subject in asked)


@given(prefix=st.from_regex(r"\A[a-z0-9][a-z0-9-]{0,20}\Z"), caller=st.from_regex(r"\A[a-z0-9][a-z0-9-]{0,20}\Z"))
def test_the_caller_is_read_from_the_subject_whatever_the_prefix(prefix: str, caller: str) -> None:
    subjects = Subjects(prefix)
    subject = subjects.api(caller, "nodes.list")
    assert [subjects.token(subject, index) for index in range(5)] == ["api", caller, "nodes", "list", ""]


def test_an_inbox_is_told_from_one_whose_owners_name_only_begins_alike() -> None:
    assert not f"{inbox('shop-2')}.x".startswith(f"{inbox('shop')}.")


def _matches(pattern: str, subject: str) -> bool:
    """NATS' own rule: `*` is one token, `>` is one or more at the end."""
    wanted, tokens = pattern.split("."), subject.split(".")
    if wanted[-1] == ">":
        return len(tokens) >= len(wanted) and _matches(".".join(wanted[:-1]), ".".join(tokens[: len(wanted) - 1]))
    return len(wanted) == len(tokens) and all(w in ("*", t) for w, t in zip(wanted, tokens, strict=True))
