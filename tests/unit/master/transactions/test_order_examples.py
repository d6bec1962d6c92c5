"""Dependencies, conditions, steps that are tried until they succeed, and a time for the whole, by example."""

from __future__ import annotations

import pytest

from fleetfold_master.transactions import Policy, Step, cancel
from fleetfold_shared.errors import Conflict
from fleetfold_shared.messages import Filter
from support.story import Story, make_step


def _diamond() -> list[Step]:
    """b and c need a; d needs both; e needs c."""
    return [
        make_step("a", 0), make_step("b", 1, after=("a",)), make_step("c", 1, after=("a",)),
        make_step("d", 2, after=("b", "c")), make_step("e", 2, after=("c",)),
    ]  # fmt: skip


def test_a_step_begins_as_soon_as_those_it_depends_on_are_done() -> None:
    story = Story(*_diamond())
    assert set(story.sent) == {"t.t1.a.f"}
    story.hear("t.t1.a.f")
    assert set(story.sent) == {"t.t1.b.f", "t.t1.c.f"}
    story.hear("t.t1.c.f")
    assert set(story.sent) == {"t.t1.e.f"}
    story.hear("t.t1.b.f")
    assert set(story.sent) == {"t.t1.d.f"}


def test_a_step_is_undone_as_soon_as_those_that_depend_on_it_are() -> None:
    story = Story(*_diamond())
    for name in "abc":
        story.hear(f"t.t1.{name}.f")
    story.hear("t.t1.e.f", "failed")
    story.hear("t.t1.d.f")
    assert set(story.sent) == {"t.t1.d.c"}
    story.hear("t.t1.d.c")
    assert set(story.sent) == {"t.t1.b.c", "t.t1.c.c"}
    story.hear("t.t1.c.c")
    assert story.sent == {}
    story.hear("t.t1.b.c")
    assert set(story.sent) == {"t.t1.a.c"}
    story.hear("t.t1.a.c")
    assert story.states().startswith("rolled_back")


def test_nothing_new_begins_once_something_has_failed() -> None:
    story = Story(*_diamond())
    story.hear("t.t1.a.f")
    story.hear("t.t1.b.f", "failed")
    story.hear("t.t1.c.f")
    assert "e=skipped" in story.states()


def test_a_step_whose_condition_does_not_hold_is_left_out_and_those_behind_it_go_on() -> None:
    large = Filter("steps.a.total", "gt", 100)
    story = Story(make_step("a", 0), make_step("b", 1, when=large), make_step("c", 2))
    story.hear("t.t1.a.f", result={"total": 7})
    assert set(story.sent) == {"t.t1.c.f"}
    story.hear("t.t1.c.f")
    assert story.states() == "committed a=done b=skipped c=done"


def test_a_step_whose_condition_holds_is_done() -> None:
    story = Story(make_step("a", 0), make_step("b", 1, when=Filter("steps.a.total", "gt", 100)))
    story.hear("t.t1.a.f", result={"total": 101})
    assert set(story.sent) == {"t.t1.b.f"}


def test_a_retriable_step_is_tried_again_and_again_but_not_for_ever() -> None:
    story = Story(make_step("a", 0), make_step("b", 1, retriable=True), policy=Policy(max_tries=3, backoff_s=1.0))
    story.hear("t.t1.a.f")
    for number in ("", "2", "3"):
        story.hear(f"t.t1.b.f{number}", "failed")
        story.wait(10)
    story.hear("t.t1.b.f4", "failed")
    assert story.states() == "compensating a=compensating b=failed"


def test_what_has_not_ended_in_the_time_for_the_whole_is_rolled_back() -> None:
    story = Story(make_step("a", 0), make_step("b", 1, timeout_s=100), deadline_at=60)
    story.hear("t.t1.a.f")
    story.wait(61)
    assert story.sent["t.t1.b.c"].compensates == "t.t1.b.f"
    story.hear("t.t1.b.c", tombstone=True)
    story.hear("t.t1.a.c")
    assert story.states() == "rolled_back a=compensated b=compensated"
    assert story.tx.error == "it had not ended in the time it was given"


def test_the_time_for_the_whole_does_not_turn_back_what_has_passed_the_point_of_no_return() -> None:
    story = Story(make_step("a", 0, pivot=True, rollback=None), make_step("b", 1), deadline_at=60)
    story.hear("t.t1.a.f")
    story.wait(61)
    story.hear("t.t1.b.f")
    assert story.states() == "committed a=done b=done"


def test_a_cancelled_transaction_undoes_what_was_done_and_what_is_under_way() -> None:
    story = Story(make_step("a", 0), make_step("b", 1))
    story.hear("t.t1.a.f")
    story.decide(cancel, "ann")
    assert set(story.sent) == {"t.t1.b.c"}
    story.hear("t.t1.b.c", tombstone=True)
    story.hear("t.t1.a.c")
    assert (story.tx.state, story.tx.error) == ("rolled_back", "cancelled by ann")


@pytest.mark.parametrize("answer", [None, "ok"])
def test_it_is_too_late_to_cancel_at_the_point_of_no_return(answer: str | None) -> None:
    story = Story(make_step("a", 0, pivot=True, rollback=None), make_step("b", 1))
    if answer:
        story.hear("t.t1.a.f")
    with pytest.raises(Conflict, match="passed its point of no return"):
        story.decide(cancel, "ann")


def test_what_has_ended_is_not_cancelled() -> None:
    story = Story(make_step("a", 0))
    story.hear("t.t1.a.f")
    with pytest.raises(Conflict, match="is committed; only one that is running"):
        story.decide(cancel, "ann")
