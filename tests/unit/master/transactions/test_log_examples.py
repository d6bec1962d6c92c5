"""Steps that are undone by what they noted."""

from __future__ import annotations

import pytest

from fleetfold_shared.messages import ActionKind, Rollback
from support.story import Story, make_step

BY_LOG, BY_RESULT, FREE = (
    Rollback("undo", {"order": "{{log.order_id}}"}), Rollback("undo", {"order": "{{order_id}}"}), Rollback("undo")
)  # fmt: skip


@pytest.mark.parametrize(
    ("rollback", "noted", "sent"),
    [
        (BY_LOG, True, ["t.t1.a.c"]),
        (FREE, True, ["t.t1.a.c"]),
        (BY_LOG, False, []),
        (BY_RESULT, True, []),
        (None, True, []),
    ],
)
def test_a_step_that_noted_something_and_failed_is_undone_if_its_rollback_can_be_run(
    rollback: Rollback | None, noted: bool, sent: list[str]
) -> None:
    story = Story(make_step("a", 0, rollback=rollback))
    story.hear("t.t1.a.f", "failed", noted=noted)
    assert list(story.sent) == sent
    if sent:
        assert "something of it may be left" in story.whys[-3]
        story.hear("t.t1.a.c")
    assert story.tx.state == "rolled_back"


@pytest.mark.parametrize(("kind", "again"), [("idempotent", True), ("once", False)])
def test_a_once_step_that_may_have_left_something_is_not_tried_again(kind: ActionKind, again: bool) -> None:
    story = Story(make_step("a", 0, kind=kind, rollback=BY_LOG, retries=1))
    story.hear("t.t1.a.f", "failed", noted=True)
    story.wait(2)
    assert ("t.t1.a.f2" in story.sent) is again


def test_a_transactional_step_that_failed_has_left_nothing() -> None:
    story = Story(make_step("a", 0, kind="transactional", rollback=BY_LOG))
    story.hear("t.t1.a.f", "failed", noted=True)
    assert story.states() == "rolled_back a=failed"
