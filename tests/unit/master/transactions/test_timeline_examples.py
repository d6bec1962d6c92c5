"""The timeline says all that has happened, and why."""

from __future__ import annotations

from fleetfold_master.transactions import Policy, cancel, redrive, retry
from support.story import Story, make_step

IMPATIENT = Policy(max_tries=1, compensation_timeout_s=10.0)


def test_who_cancels_and_who_tries_again_says_why() -> None:
    story = Story(make_step("a", 0), policy=Policy(max_tries=1))
    story.decide(cancel, "ann", why="the wrong order")
    assert "given up a: cancelled by ann: the wrong order" in story.whys
    assert story.tx.error == "cancelled by ann: the wrong order"
    story.hear("t.t1.a.c", "failed")
    story.decide(retry, "bob", why="the disk has room again")
    assert story.whys[-1] == "to be tried again a: by bob: the disk has room again"


def test_a_takeover_is_told_even_when_nothing_is_in_flight() -> None:
    story = Story(make_step("a", 0, retries=1))
    story.hear("t.t1.a.f", "failed")
    decision = redrive(story.tx, story.steps, 1.0, takeover=True)
    assert [(entry.what, entry.why) for entry in decision.entries] == [("taken over", "its master is gone; epoch 2")]
    assert redrive(story.tx, story.steps, 1.0, takeover=False).entries == ()


def test_a_compensation_that_answers_after_it_was_given_up_is_told_once() -> None:
    story = Story(make_step("a", 0), make_step("b", 1), policy=IMPATIENT)
    story.hear("t.t1.a.f", result={"order_id": 7})
    story.hear("t.t1.b.f", "rejected")
    story.wait(11)
    assert story.states() == "parked a=parked b=failed"
    story.hear("t.t1.a.c", "ok")
    assert story.whys[-1] == "late answer a: ok, after it was given up"
    told = len(story.whys)
    story.hear("t.t1.a.c", "ok")
    assert len(story.whys) == told
    story.decide(retry, "ann")
    story.wait(0)
    assert list(story.sent) == ["t.t1.a.cr2"]


def test_a_repeated_answer_to_a_compensation_that_failed_is_not_told_again() -> None:
    story = Story(make_step("a", 0), make_step("b", 1), policy=IMPATIENT)
    story.hear("t.t1.a.f", result={"order_id": 7})
    story.hear("t.t1.b.f", "rejected")
    story.hear("t.t1.a.c", "failed")
    told = len(story.whys)
    story.hear("t.t1.a.c", "failed")
    assert len(story.whys) == told
