"""The point of no return, by example: before it everything can be undone, after it there is only forward."""

from __future__ import annotations

from support.story import Story, make_step


def test_after_the_pivot_there_is_only_forward() -> None:
    story = Story(make_step("a", 0), make_step("pay", 1, pivot=True, rollback=None), make_step("mail", 2))
    story.hear("t.t1.a.f")
    story.hear("t.t1.pay.f")
    for retry in ("", "2", "3"):
        story.hear(f"t.t1.mail.f{retry}", "rejected")
        story.wait(30)
    story.hear("t.t1.mail.f4")
    assert story.states() == "committed a=done pay=done mail=done"


def test_a_failed_pivot_rolls_back() -> None:
    story = Story(make_step("a", 0), make_step("pay", 1, pivot=True, rollback=None))
    story.hear("t.t1.a.f")
    story.hear("t.t1.pay.f", "failed")
    story.hear("t.t1.a.c")
    assert story.states() == "rolled_back a=compensated pay=failed"


def _silent_pivot() -> Story:
    story = Story(make_step("a", 0), make_step("pay", 1, pivot=True, rollback=None))
    story.hear("t.t1.a.f")
    story.wait(10)
    assert (list(story.sent), story.tx.state) == (["t.t1.pay.c"], "running")
    return story


def test_a_silent_pivot_is_withdrawn_if_it_never_ran() -> None:
    story = _silent_pivot()
    story.hear("t.t1.pay.c", tombstone=True)
    assert list(story.sent) == ["t.t1.a.c"]


def test_a_silent_pivot_that_ran_is_asked_how_it_ended() -> None:
    story = _silent_pivot()
    story.hear("t.t1.pay.c")
    assert story.sent["t.t1.pay.f"].attempt > 1
    story.hear("t.t1.pay.f")
    assert story.states() == "committed a=done pay=done"


def test_a_pivot_s_late_answer_is_as_good() -> None:
    story = _silent_pivot()
    story.hear("t.t1.pay.f")
    assert story.states() == "committed a=done pay=done"
    assert story.hear("t.t1.pay.c").entries == ()


def test_a_pivot_nobody_can_judge_is_parked() -> None:
    story = Story(make_step("a", 0), make_step("pay", 1, pivot=True, rollback=None, kind="once"))
    story.hear("t.t1.a.f")
    story.hear("t.t1.pay.f", "unknown")
    assert story.states() == "parked a=done pay=parked"
