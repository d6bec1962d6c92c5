"""Transactions that go on from an old copy of their rows, with what the nodes have told."""

from __future__ import annotations

from fleetfold_master.transactions import Decision, Step, Tx
from fleetfold_master.transactions.recalled import park_unasked, resume_recalled
from fleetfold_shared.messages import MasterMark, RecalledCommand
from support.story import make_step

TX = Tx(id="t1", digest="", name="", caller="ann", created_at=0.0)
TAKEN = make_step("take", 0, state="done", runs=("ok",), result={"order_id": 1})
WAITING = make_step("give", 1, position=1)


def told(key: str, outcome: str = "ok", epoch: int = 1) -> RecalledCommand:
    compensates = None if key.endswith("f") else f"{key.rpartition('.')[0]}.f"
    mark = MasterMark("m1", 9, key)
    return RecalledCommand(id=key, action="do", mark=mark, outcome=outcome, epoch=epoch, compensates=compensates)


def resume(steps: list[Step], *recalled: RecalledCommand) -> Decision:
    return resume_recalled(TX, steps, recalled, 10.0)


def sent(decision: Decision) -> list[str]:
    return [one.command.id for one in decision.commands]


def test_a_transaction_whose_step_was_undone_is_turned_back_before_it_sends_anything_new() -> None:
    decision = resume([TAKEN, WAITING], told("t.t1.take.c"))
    assert (decision.tx.state, sent(decision)) == ("compensating", ["t.t1.take.c"])
    assert [step.state for step in decision.steps] == ["compensating", "skipped"]
    assert decision.tx.error == "the nodes have undone a part of it since the copy of the database was made"


def test_a_step_that_ran_after_the_copy_is_undone_too() -> None:
    decision = resume([TAKEN, WAITING], told("t.t1.give.f"), told("t.t1.give.c", "failed"))
    assert (decision.tx.state, sent(decision)) == ("compensating", ["t.t1.give.c"])


def test_what_only_went_on_goes_on() -> None:
    running = make_step("give", 1, position=1, state="running", runs=(None,), command="t.t1.give.f", sends=1)
    decision = resume([TAKEN, running], told("t.t1.give.f"))
    assert (decision.tx.state, sent(decision)) == ("running", ["t.t1.give.f"])


def test_the_epoch_rises_above_that_of_every_node() -> None:
    running = make_step("give", 1, position=1, state="running", runs=(None,), command="t.t1.give.f", sends=1)
    assert resume([TAKEN, running]).tx.epoch == 2
    assert resume([TAKEN, running], told("t.t1.give.f", epoch=7)).tx.epoch == 8
    assert resume([TAKEN, WAITING], told("t.t1.take.c", epoch=7)).tx.epoch == 8


def test_the_question_whether_a_pivot_ran_turns_nothing_back() -> None:
    pivot = make_step("give", 1, position=1, pivot=True, rollback=None)
    assert resume([TAKEN, pivot], told("t.t1.give.c")).tx.state == "running"


def test_a_step_undone_behind_a_pivot_that_is_done_is_for_an_operator() -> None:
    pivot = make_step("give", 1, position=1, pivot=True, rollback=None, state="done", runs=("ok",))
    last = make_step("last", 2, position=2)
    decision = resume([TAKEN, pivot, last], told("t.t1.take.c"))
    assert (decision.tx.state, sent(decision), decision.steps[2].state) == ("parked", [], "parked")
    assert "though its pivot is done" in str(decision.tx.error)


def test_a_transaction_whose_node_cannot_be_asked_is_parked_with_its_next_step() -> None:
    decision = park_unasked(TX, [TAKEN, WAITING], ["shop"], "ann", 10.0)
    assert (decision.tx.state, decision.tx.ended_at, decision.steps[1].state) == ("parked", 10.0, "parked")
    assert "shop could not be asked what has happened since; by ann" in str(decision.tx.error)
