"""`advance` by example: each story is what the master sends, what it hears, and where that leads."""

from __future__ import annotations

import pytest

from fleetfold_master.transactions import Decision, Policy, advance, apply_result, redrive
from fleetfold_master.transactions.compensation_context import MOST_BYTES
from fleetfold_shared.messages import ActionKind, Command, Outcome
from support.master import answer
from support.story import Story, make_step


def test_stage_after_stage_with_results_filled_in() -> None:
    story = Story(make_step("a", 0), make_step("b", 0), make_step("c", 1, params={"order": "{{steps.a.order_id}}"}))
    assert set(story.sent) == {"t.t1.a.f", "t.t1.b.f"}
    story.hear("t.t1.a.f", result={"order_id": 7})
    assert story.sent == {}
    story.hear("t.t1.b.f")
    assert story.sent["t.t1.c.f"].params == {"order": 7}
    story.hear("t.t1.c.f")
    assert story.states() == "committed a=done b=done c=done"


def test_a_failure_undoes_the_stages_in_reverse_order() -> None:
    story = Story(make_step("a", 0), make_step("b", 1), make_step("c", 2))
    story.hear("t.t1.a.f", result={"order_id": 7})
    story.hear("t.t1.b.f")
    story.hear("t.t1.c.f", "failed")
    assert list(story.sent) == ["t.t1.b.c"]
    story.hear("t.t1.b.c")
    compensation = story.sent["t.t1.a.c"]
    assert (compensation.action, compensation.compensates, compensation.params) == (
        "undo",
        "t.t1.a.f",
        {"order": "{{order_id}}"},
    )
    known = compensation.forward
    assert known is not None
    assert (known.action, known.outcome, known.result) == ("do", "ok", {"order_id": 7})
    story.hear("t.t1.a.c")
    assert story.states() == "rolled_back a=compensated b=compensated c=failed"
    assert story.tx.error == "c: failed"


def test_nothing_is_undone_before_the_siblings_have_settled() -> None:
    story = Story(make_step("a", 0), make_step("b", 0))
    story.hear("t.t1.a.f", "failed")
    assert story.states() == "running a=failed b=running"
    story.hear("t.t1.b.f")
    assert list(story.sent) == ["t.t1.b.c"]


def test_a_step_that_did_not_answer_is_undone_by_its_forward_id_and_its_late_answer_is_only_noted() -> None:
    story = Story(make_step("a", 0))
    story.wait(5)
    assert story.sent["t.t1.a.f"].attempt == 2
    story.wait(5)
    assert story.sent["t.t1.a.c"].compensates == "t.t1.a.f"
    story.hear("t.t1.a.f")
    assert story.sent == {}
    assert story.whys[-1] == "late answer a: ok, after it was given up"
    story.hear("t.t1.a.c")
    assert story.states() == "rolled_back a=compensated"


def test_a_late_refusal_spares_a_step_its_undoing() -> None:
    story = Story(make_step("a", 0), make_step("b", 0, timeout_s=20.0))
    story.wait(10)
    assert story.states() == "running a=unknown b=running"
    story.hear("t.t1.a.f", "failed")
    story.hear("t.t1.b.f", "failed")
    assert story.states() == "rolled_back a=failed b=failed"


@pytest.mark.parametrize(("tombstone", "state"), [(True, "compensated"), (False, "skipped")])
def test_a_silent_step_without_a_rollback_gets_a_tombstone_only(tombstone: bool, state: str) -> None:
    story = Story(make_step("a", 0, rollback=None))
    story.wait(10)
    assert (story.sent["t.t1.a.c"].action, story.sent["t.t1.a.c"].compensates) == ("", "t.t1.a.f")
    story.hear("t.t1.a.c", tombstone=tombstone)
    assert story.states() == f"rolled_back a={state}"


def test_a_retry_of_a_failed_step_is_a_new_command_and_a_re_send_is_not() -> None:
    story = Story(make_step("a", 0, retries=2))
    story.wait(10)
    assert story.sent["t.t1.a.f"].attempt == 2
    story.hear("t.t1.a.f", "failed")
    assert story.sent == {}
    story.wait(2)
    assert list(story.sent) == ["t.t1.a.f2"]
    story.hear("t.t1.a.f", "failed")
    story.hear("t.t1.a.f2")
    assert story.states() == "committed a=done"


@pytest.mark.parametrize(
    ("kind", "states"),
    [("idempotent", "compensating a=compensating"), ("once", "compensating a=compensating"),
     ("transactional", "rolled_back a=failed")],
)  # fmt: skip
def test_a_failure_after_a_death_may_have_left_an_effect(kind: ActionKind, states: str) -> None:
    """The start that failed did nothing; the one before it, which its node did not survive, may have."""
    story = Story(make_step("a", 0, kind=kind))
    story.hear("t.t1.a.f", "failed", starts=2)
    assert story.states() == states


def test_every_forward_command_that_may_have_run_is_undone() -> None:
    story = Story(make_step("a", 0, retries=1), make_step("b", 1))
    story.hear("t.t1.a.f", "timed_out")
    story.wait(1)
    story.hear("t.t1.a.f2")
    story.hear("t.t1.b.f", "rejected")
    assert story.sent["t.t1.a.c2"].compensates == "t.t1.a.f2"
    story.hear("t.t1.a.c2")
    assert story.sent["t.t1.a.c"].compensates == "t.t1.a.f"
    story.hear("t.t1.a.c")
    assert story.states() == "rolled_back a=compensated b=failed"


def test_a_transactional_action_out_of_time_has_left_nothing_to_undo() -> None:
    story = Story(make_step("a", 0, kind="transactional"))
    story.hear("t.t1.a.f", "timed_out")
    assert story.states() == "rolled_back a=failed"


@pytest.mark.parametrize("outcome", ["timed_out", "unknown"])
def test_an_action_that_must_not_happen_twice_is_not_tried_again(outcome: Outcome) -> None:
    story = Story(make_step("a", 0, kind="once", retries=5))
    story.hear("t.t1.a.f", outcome)
    assert list(story.sent) == ["t.t1.a.c"]


def test_a_failing_compensation_is_tried_again_more_and_more_rarely_then_parked() -> None:
    story = Story(make_step("a", 0), policy=Policy(max_tries=4))
    story.hear("t.t1.a.f", "unknown")
    waits = []
    for compensation in ("t.t1.a.c", "t.t1.a.cr2", "t.t1.a.cr3"):
        story.hear(compensation, "failed")
        due = story.steps[0].due_at
        assert due is not None
        waits.append(due - story.now)
        story.wait(waits[-1])
    story.hear("t.t1.a.cr4", "failed")
    assert (waits, story.states()) == ([1.0, 2.0, 4.0], "parked a=parked")


def test_a_compensation_waits_for_a_node_that_is_away_without_counting() -> None:
    story = Story(make_step("a", 0))
    story.wait(10)
    story.ill = {"a-node"}
    for _ in range(100):
        assert story.wait(60).commands == ()
    story.ill = set()
    story.wait(1)
    assert list(story.sent) == ["t.t1.a.c"]
    story.hear("t.t1.a.c")
    assert (story.states(), story.steps[0].compensation_tries) == ("rolled_back a=compensated", 1)


def test_a_compensation_that_cannot_be_judged_is_parked_at_once() -> None:
    story = Story(make_step("a", 0), make_step("b", 1))
    story.hear("t.t1.a.f")
    story.hear("t.t1.b.f", "unknown")
    story.hear("t.t1.b.c", "unknown")
    assert story.states() == "parked a=done b=parked"


def test_a_result_without_the_field_that_is_needed_fails_the_step_unsent() -> None:
    story = Story(make_step("a", 0), make_step("b", 1, params={"id": "{{steps.a.id}}"}))
    story.hear("t.t1.a.f", result={"number": 1})
    assert list(story.sent) == ["t.t1.a.c"]
    assert "there is no 'id'" in (story.tx.error or "")


@pytest.mark.parametrize(
    "command", ["t.t1.a.f", "t.t1.a.c", "t.t1.a.f2", "t.t1.nobody.f", "t.other.a.f", "j.t1.a", "nonsense"]
)
def test_what_was_not_asked_changes_nothing(command: str) -> None:
    story = Story(make_step("a", 0), make_step("b", 1))
    story.hear("t.t1.a.f", result={"n": 1})
    told = answer(Command(id=command, attempt=9, action=""), "failed")
    before = Decision(story.tx, story.steps)
    assert apply_result(story.tx, story.steps, "a-node", told, story.now) == before
    assert apply_result(story.tx, story.steps, "b-node", told, story.now) == before


def test_a_takeover_sends_all_that_is_in_flight_again_under_a_higher_epoch() -> None:
    story = Story(make_step("a", 0), make_step("b", 0))
    story.hear("t.t1.a.f")
    decision = redrive(story.tx, story.steps, 100.0, takeover=True)
    [(node, command)] = decision.commands
    assert (node, command.id, command.attempt, command.epoch) == ("b-node", "t.t1.b.f", 2, 2)
    assert advance(decision.tx, decision.steps, 104.0).commands == ()


def test_a_compensation_says_only_what_is_known_of_its_forward_command() -> None:
    silent, large = Story(make_step("a", 0)), Story(make_step("a", 0), make_step("b", 1))
    for _ in range(2):
        silent.wait(5)
    assert silent.sent["t.t1.a.c"].forward is None
    large.hear("t.t1.a.f", result={"order_id": "x" * MOST_BYTES, "more": 1})
    large.hear("t.t1.b.f", "failed")
    known = large.sent["t.t1.a.c"].forward
    assert known is not None
    assert (known.outcome, known.result) == ("ok", None)
