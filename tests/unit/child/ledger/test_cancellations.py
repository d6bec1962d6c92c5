"""The table of `cancelling`, row by row, and what the rules of `admission` make of it afterwards."""

from __future__ import annotations

import msgspec
import pytest

from fleetfold_child.commands.cancellation_rules import cancel, while_running
from fleetfold_child.ledger.admission import Decision, Plan, admit
from fleetfold_child.ledger.compensation import admit_compensation
from fleetfold_child.ledger.ledger_schema import LedgerRow
from fleetfold_shared.messages import OVER_TIME, ActionKind, CommandResult, Outcome
from support.executors import command, compensation_of

BY_ANN = "cancelled by ann before it began"


def row(
    kind: ActionKind = "idempotent",
    outcome: Outcome | None = None,
    *,
    here: bool = False,
    published: bool = False,
    compensates: str | None = None,
) -> LedgerRow:
    answer = CommandResult(id="f", attempt=2, epoch=3, outcome=outcome, starts=1) if outcome else None
    return LedgerRow(
        id="f", action="order", kind=kind, state="done" if outcome else "running", starts=1,
        incarnation="me" if here else "", epoch=3, attempt=2, compensates=compensates, params="{}", timeout_s=None,
        crashes=0, lone_crashes=0, outcome=outcome, refused=0, published=int(published),
        answer=msgspec.json.encode(answer).decode() if answer else None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("known", "verdict", "outcome", "stored"),
    [
        (None, "never", "rejected", "tombstone"),
        (row(outcome="ok"), "ended", "ok", None),
        (row(outcome="ok", published=True), "ended", None, None),
        (row(here=True), "stopping", None, None),
        (row("once", here=True), "stopping", None, None),
        (row("transactional"), "ended", "failed", "done"),
        (row("idempotent"), "ended", "unknown", "done"),
        (row("once"), "ended", "unknown", "done"),
        (row(compensates="g"), None, None, None),
        (row(compensates="g", here=True), None, None, None),
    ],
)
def test_what_becomes_of_a_cancelled_command(
    known: LedgerRow | None, verdict: str | None, outcome: str | None, stored: str | None
) -> None:
    said = cancel("f", known, "ann")
    assert (said.verdict, said.result.outcome if said.result else None, said.stored) == (verdict, outcome, stored)


def test_what_never_began_says_who_did_not_want_it() -> None:
    said = cancel("f", None, "ann").result
    assert said is not None
    assert (said.id, said.error, said.starts) == ("f", BY_ANN, 0)
    assert cancel("f", None, "").result.error == "cancelled before it began"  # type: ignore[union-attr]  # as above


@pytest.mark.parametrize(
    ("kind", "outcome"), [("transactional", "failed"), ("idempotent", "unknown"), ("once", "unknown")]
)
def test_what_was_told_to_stop_is_not_begun_again_after_a_death(kind: ActionKind, outcome: str) -> None:
    admission = admit(command("f", "order", epoch=3), row(kind), Plan(kind, cancelled_by="ann"))
    assert admission.decision is Decision.SETTLED
    assert admission.result is not None
    assert admission.result.outcome == outcome
    assert "cancelled by ann; the node had stopped while it ran" in (admission.result.error or "")


def test_there_is_nothing_to_undo_of_what_never_began() -> None:
    result = cancel("f", None, "ann").result
    assert result is not None
    tombstone = row(outcome="rejected")._replace(
        state="tombstone", starts=0, answer=msgspec.json.encode(result).decode(), epoch=0
    )
    for params in ({"action": "forget"}, {"action": "cancel", "order_id": "{{order_id}}"}):
        admission = admit_compensation(compensation_of("f", epoch=1, **params), None, tombstone, None, Plan())
        assert admission.result is not None
        assert (admission.decision, admission.result.outcome) == (Decision.SETTLED, "ok")


@pytest.mark.parametrize(
    ("known", "plan", "decided"),
    [
        (None, Plan(over="too late"), "settled timed_out"),
        (row(), Plan(over="too late"), "settled timed_out"),
        (row("once"), Plan("once", over="too late"), "settled unknown"),
        (row(outcome="ok"), Plan(over="too late"), "replay ok"),
    ],
)
def test_after_the_time_for_all_tries_nothing_is_begun(known: LedgerRow | None, plan: Plan, decided: str) -> None:
    admission = admit(command("f", "order", epoch=3), known, plan)
    assert admission.result is not None
    assert f"{admission.decision.value} {admission.result.outcome}" == decided


def test_a_try_that_left_nothing_behind_counts_as_no_start() -> None:
    assert admit(command("f", "order", epoch=3), row(), Plan(clean=True)).starts == 1
    assert admit(command("f", "order", epoch=3), row(), Plan()).starts == 2


def test_a_command_that_its_job_ends_for_its_time_is_timed_out() -> None:
    assert while_running("idempotent", OVER_TIME)[0] == "timed_out"
    assert while_running("once", "ann")[0] == "unknown"
    assert while_running("transactional", OVER_TIME)[0] == "failed"
