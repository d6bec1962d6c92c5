"""What of a node's commands an old copy of the database lacks."""

from __future__ import annotations

from fleetfold_master.recovery.known_work import KnownWork
from fleetfold_master.transactions import Step, Tx
from fleetfold_shared.messages import MasterMark, RecalledCommand, TransactionState
from support.story import make_step

SENT = make_step("a", 0, state="done", runs=("ok",))


def command(key: str, compensates: str | None = None) -> RecalledCommand:
    return RecalledCommand(id=key, action="do", mark=MasterMark("m1", 1, key), outcome="ok", compensates=compensates)


def work(state: TransactionState, *steps: Step) -> KnownWork:
    return KnownWork(
        {"j1"}, {"t1": (Tx(id="t1", digest="", name="", caller="ann", created_at=0.0, state=state), steps)}
    )


def reason(known: KnownWork, one: RecalledCommand) -> str | None:
    fact = known.lacks("shop", one)
    return None if fact is None else fact.reason


def test_a_job_and_a_transaction_that_it_does_not_have_are_to_be_sent_again() -> None:
    known = work("running", SENT)
    for key, what in (("j.j9.shop", "job j9"), ("t.t9.a.f", "transaction t9")):
        assert not known.knows(command(key))
        assert str(reason(known, command(key))).startswith(f"the database has no {what}: send it again under this id")
    assert known.knows(command("j.j1.shop"))
    assert reason(known, command("j.j1.shop")) is None


def test_a_command_that_an_open_transaction_has_not_sent_is_a_fact_about_it() -> None:
    known = work("running", SENT)
    assert not known.knows(command("t.t1.a.f2"))
    assert not known.knows(command("t.t1.a.c", "t.t1.a.f"))
    assert reason(known, command("t.t1.a.c", "t.t1.a.f")) == ""


def test_what_contradicts_an_ended_transaction_must_be_looked_at() -> None:
    undone = command("t.t1.a.c", "t.t1.a.f")
    assert "is committed, and this step of it was undone" in str(reason(work("committed", SENT), undone))
    assert "is rolled_back, and has not sent this" in str(reason(work("rolled_back", SENT), command("t.t1.a.f2")))
    assert reason(work("rolled_back", SENT), undone) is None


def test_a_command_of_nobody_is_no_sign() -> None:
    known = work("running", SENT)
    assert known.knows(command("by hand"))
    assert known.lacks("shop", command("by hand")) is None
