"""What an operator does about a parked transaction, by example."""

from __future__ import annotations

import pytest

from fleetfold_master.transactions import Policy, resolve, retry, skip
from fleetfold_shared.errors import Conflict, NotFound
from support.story import Story, make_step


def _stuck_back() -> Story:
    """b has failed, and a cannot be undone."""
    story = Story(make_step("z", 0), make_step("a", 1), make_step("b", 2), policy=Policy(max_tries=1))
    story.hear("t.t1.z.f")
    story.hear("t.t1.a.f")
    story.hear("t.t1.b.f", "failed")
    story.hear("t.t1.a.c", "failed")
    assert story.states() == "parked z=done a=parked b=failed"
    return story


def _stuck_forward() -> Story:
    """The pivot has passed, and b cannot be done."""
    steps = make_step("a", 0, pivot=True, rollback=None), make_step("b", 1)
    story = Story(*steps, policy=Policy(max_tries=1))
    story.hear("t.t1.a.f")
    story.hear("t.t1.b.f", "failed")
    assert story.states() == "parked a=done b=parked"
    return story


def test_what_could_not_be_undone_is_tried_again() -> None:
    story = _stuck_back()
    story.decide(retry, "ann")
    story.wait(0)
    assert set(story.sent) == {"t.t1.a.cr2"}
    story.hear("t.t1.a.cr2")
    story.hear("t.t1.z.c")
    assert story.states() == "rolled_back z=compensated a=compensated b=failed"


def test_what_could_not_be_done_is_tried_again() -> None:
    story = _stuck_forward()
    story.decide(retry, "ann", step="b")
    story.wait(0)
    story.hear("t.t1.b.f2")
    assert story.states() == "committed a=done b=done"


def test_a_step_that_is_skipped_is_left_and_the_others_are_undone() -> None:
    story = _stuck_back()
    story.decide(skip, "a", "ann", "refunded by hand")
    story.wait(0)
    story.hear("t.t1.z.c")
    assert story.states() == "rolled_back z=compensated a=skipped b=failed"
    assert "skipped a: by ann: refunded by hand" in story.whys


def test_behind_the_pivot_a_skipped_step_lets_the_rest_be_done() -> None:
    story = _stuck_forward()
    story.decide(skip, "b", "ann", "done by hand")
    story.wait(0)
    assert story.states() == "committed a=done b=skipped"


def test_it_can_be_ended_by_hand() -> None:
    story = _stuck_back()
    story.decide(resolve, "rolled_back", "ann", "the books were set right")
    assert story.tx.state == "rolled_back"
    assert "resolved : by ann: the books were set right" in story.whys
    assert story.wait(100).commands == ()


def test_only_what_is_parked_is_for_an_operator() -> None:
    story = Story(make_step("a", 0))
    with pytest.raises(Conflict, match="is running; this is for one that is parked"):
        story.decide(retry, "ann")


def test_a_step_that_is_not_parked_is_not_found() -> None:
    with pytest.raises(NotFound, match="no parked step 'z'; parked are: a"):
        _stuck_back().decide(skip, "z", "ann", "why not")
