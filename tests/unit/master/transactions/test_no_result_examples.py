"""Steps that ran and whose result could not be carried: undone, never tried again; behind the pivot they are done."""

from __future__ import annotations

import pytest

from fleetfold_shared.messages import ActionKind, Filter, Outcome
from support.story import Story, make_step


@pytest.mark.parametrize("kind", ["idempotent", "once"])
def test_it_is_undone_and_not_tried_again(kind: ActionKind) -> None:
    story = Story(make_step("a", 0), make_step("b", 1, kind=kind, retries=5, retriable=True), make_step("c", 2))
    story.hear("t.t1.a.f")
    story.hear("t.t1.b.f", "no_result")
    assert list(story.sent) == ["t.t1.b.c"]
    story.hear("t.t1.b.c")
    story.hear("t.t1.a.c")
    assert story.states() == "rolled_back a=compensated b=compensated c=skipped"


def test_its_state_says_so_while_its_siblings_settle() -> None:
    story = Story(make_step("a", 0), make_step("b", 0))
    story.hear("t.t1.a.f", "no_result")
    assert story.states() == "running a=no_result b=running"
    story.hear("t.t1.b.f")
    assert story.tx.state == "compensating"


def test_a_rollback_that_lacks_the_result_is_parked_at_once() -> None:
    story = Story(make_step("a", 0))
    story.hear("t.t1.a.f", "no_result")
    story.hear("t.t1.a.c", "unknown")
    assert story.states() == "parked a=parked"


def test_without_a_rollback_it_is_left_as_it_is() -> None:
    story = Story(make_step("a", 0, rollback=None))
    story.hear("t.t1.a.f", "no_result")
    assert (story.states(), story.sent) == ("rolled_back a=skipped", {})


def test_a_pivot_without_a_result_has_happened() -> None:
    story = Story(make_step("a", 0), make_step("pay", 1, pivot=True, rollback=None), make_step("mail", 2))
    story.hear("t.t1.a.f")
    story.hear("t.t1.pay.f", "no_result")
    story.hear("t.t1.mail.f", "no_result")
    assert story.states() == "committed a=done pay=done mail=done"


def test_a_step_behind_the_pivot_that_needs_the_missing_result_is_parked() -> None:
    needy = make_step("mail", 1, params={"receipt": "{{steps.pay.receipt}}"})
    story = Story(make_step("pay", 0, pivot=True, rollback=None), needy)
    story.hear("t.t1.pay.f", "no_result")
    assert story.states() == "parked pay=done mail=parked"


def test_a_condition_on_the_missing_result_does_not_hold() -> None:
    asking = make_step("mail", 1, when=Filter("steps.pay.receipt", "eq", "long"))
    story = Story(make_step("pay", 0, pivot=True, rollback=None), asking)
    story.hear("t.t1.pay.f", "no_result")
    assert story.states() == "committed pay=done mail=skipped"


def test_a_late_one_is_undone() -> None:
    story = Story(make_step("a", 0), make_step("b", 0, timeout_s=20.0))
    story.wait(10)
    story.hear("t.t1.a.f", "no_result")
    story.hear("t.t1.b.f", "failed")
    assert list(story.sent) == ["t.t1.a.c"]


def test_an_undoing_without_a_result_has_undone() -> None:
    story = Story(make_step("a", 0), make_step("b", 1))
    story.hear("t.t1.a.f")
    story.hear("t.t1.b.f", "failed")
    story.hear("t.t1.a.c", "no_result")
    assert story.states() == "rolled_back a=compensated b=failed"


@pytest.mark.parametrize("outcome", ["rejected", "unknown"])
def test_a_rollback_that_is_rejected_or_unknown_is_not_tried_again(outcome: Outcome) -> None:
    story = Story(make_step("a", 0), make_step("b", 1))
    story.hear("t.t1.a.f")
    story.hear("t.t1.b.f", "failed")
    story.hear("t.t1.a.c", outcome)
    assert story.states() == "parked a=parked b=failed"
    assert story.whys[-2] == f"parked a: {outcome}: no reason given, after 1 try"


@pytest.mark.parametrize("outcome", ["failed", "timed_out"])
def test_a_rollback_that_failed_is_tried_again(outcome: Outcome) -> None:
    story = Story(make_step("a", 0), make_step("b", 1))
    story.hear("t.t1.a.f")
    story.hear("t.t1.b.f", "failed")
    story.hear("t.t1.a.c", outcome)
    story.wait(1)
    assert list(story.sent) == ["t.t1.a.cr2"]
