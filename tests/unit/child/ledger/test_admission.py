"""The table of `admission`, row by row."""

from __future__ import annotations

import msgspec
import pytest

from fleetfold_child.ledger.admission import Decision, Plan, admit
from fleetfold_child.ledger.compensation import admit_compensation
from fleetfold_child.ledger.ledger_schema import LedgerRow
from fleetfold_shared.messages import ActionKind, CommandResult, Outcome
from support.executors import command, compensation_of

FREE = {"action": "forget"}
FILLED = {"action": "cancel", "order_id": "{{order_id}}"}
OK, UNKNOWN = "settled ok", "settled unknown"


def row(
    kind: ActionKind = "idempotent",
    outcome: Outcome | None = None,
    *,
    starts: int = 1,
    here: bool = False,
    refused: bool = False,
    tombstone: bool = False,
    lone_crashes: int = 0,
    epoch: int = 1,
    noted: bool = False,
) -> LedgerRow:
    result = {"order_id": "O-7"} if outcome == "ok" else None
    answer = (
        CommandResult(id="f", attempt=1, epoch=epoch, outcome=outcome, result=result, noted=noted) if outcome else None
    )
    return LedgerRow(
        id="f", action="order", kind=kind, state="tombstone" if tombstone else "done" if outcome else "running",
        starts=starts, incarnation="me" if here else "", epoch=epoch, attempt=1, compensates=None, params="{}",
        timeout_s=None, crashes=0, lone_crashes=lone_crashes, outcome=outcome, refused=int(refused),
        answer=msgspec.json.encode(answer).decode() if answer else None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("known", "plan", "decided"),
    [
        (None, Plan(), "run"),
        (None, Plan(rejected="no such action"), "settled rejected"),
        (None, Plan(expired="too late"), "settled timed_out"),
        (row(outcome="ok"), Plan(), "replay ok"),
        (row(outcome="ok", epoch=9), Plan(), "replay ok"),
        (row(outcome="rejected", tombstone=True, epoch=9), Plan(), "tombstoned rejected"),
        (row(epoch=9), Plan(), "fenced"),
        (row(here=True), Plan(), "duplicate_running"),
        (row(), Plan(), "run"),
        (row(), Plan(expired="too late"), "run"),
        (row(), Plan(rejected="no such action"), UNKNOWN),
        (row("transactional"), Plan("transactional"), "run"),
        (row("once"), Plan("once"), UNKNOWN),
        (row("once"), Plan("once", checked=True), "run"),
        (row(starts=90, lone_crashes=4), Plan(), "run"),
        (row(lone_crashes=5), Plan(), UNKNOWN),
    ],
)
def test_a_command_is_admitted_by_what_is_known_of_it(known: LedgerRow | None, plan: Plan, decided: str) -> None:
    admission = admit(command("f", "order", epoch=1), known, plan)
    assert " ".join([admission.decision.value, *([admission.result.outcome] if admission.result else [])]) == decided


@pytest.mark.parametrize(
    ("forward", "filled", "free", "tombstone_only"),
    [
        (None, "settled ok, tombstone", "settled ok, tombstone", "settled ok, tombstone"),
        (row(outcome="rejected", tombstone=True), OK, OK, OK),
        (row(outcome="rejected", starts=0), OK, OK, OK),
        (row(here=True), "wait", "wait", OK),
        (row("transactional"), "settled ok, tombstone", "settled ok, tombstone", "settled ok, tombstone"),
        (row("idempotent"), "forward_first", "run, unknown", "settled ok, unknown"),
        (row("once"), "forward_first", "run, unknown", "settled ok, unknown"),
        (row(outcome="ok"), "run", "run", OK),
        (row(outcome="failed", refused=True), OK, OK, OK),
        (row("transactional", "failed"), OK, OK, OK),
        (row("transactional", "timed_out"), OK, OK, OK),
        (row(outcome="failed"), OK, "run", OK),
        (row(outcome="timed_out"), UNKNOWN, "run", OK),
        (row("once", "unknown"), UNKNOWN, "run", OK),
        (row(epoch=9), "fenced", "fenced", "fenced"),
    ],
)
def test_a_compensation_is_admitted_by_what_its_forward_command_did(
    forward: LedgerRow | None, filled: str, free: str, tombstone_only: str
) -> None:
    decided = []
    for params in (FILLED, FREE, {}):
        admission = admit_compensation(compensation_of("f", epoch=1, **params), None, forward, None, Plan())
        said = " ".join([admission.decision.value, *([admission.result.outcome] if admission.result else [])])
        if admission.seal is not None:
            said += ", tombstone" if admission.seal.tombstone else f", {admission.seal.outcome}"
        decided.append(said)
    assert decided == [filled, free, tombstone_only]


@pytest.mark.parametrize(
    ("forward", "noted_all", "noted_some"),
    [
        (None, "settled ok, tombstone", "settled ok, tombstone"),
        (row(outcome="rejected", starts=0), OK, OK),
        (row(here=True), "wait", "wait"),
        (row("transactional"), "settled ok, tombstone", "settled ok, tombstone"),
        (row("idempotent"), "run, unknown", "forward_first"),
        (row("once"), "run, unknown", "forward_first"),
        (row(outcome="ok"), "run", "settled rejected"),
        (row(outcome="failed", refused=True), OK, OK),
        (row("transactional", "failed"), OK, OK),
        (row(outcome="failed"), "run", OK),
        (row(outcome="failed", noted=True), "run", UNKNOWN),
        (row(outcome="timed_out", noted=True), "run", UNKNOWN),
        (row("once", "unknown", noted=True), "run", UNKNOWN),
        (row(epoch=9), "fenced", "fenced"),
    ],
)
def test_what_the_forward_command_noted_stands_in_for_its_result(
    forward: LedgerRow | None, noted_all: str, noted_some: str
) -> None:
    sent, decided = compensation_of("f", "cancel", epoch=1, order="{{log.order}}", page="at {{log.page}}"), []
    for log in ({"order": "O-7", "page": 3}, {"order": "O-7"}):
        admission = admit_compensation(sent, None, forward, None, Plan(), log)
        said = " ".join([admission.decision.value, *([admission.result.outcome] if admission.result else [])])
        if admission.seal is not None:
            said += ", tombstone" if admission.seal.tombstone else f", {admission.seal.outcome}"
        assert admission.params in (None, {"order": "O-7", "page": "at 3"})
        decided.append(said)
    assert decided == [noted_all, noted_some]


def test_a_compensation_is_filled_from_the_stored_result() -> None:
    admission = admit_compensation(compensation_of("f", epoch=1, **FILLED), None, row(outcome="ok"), None, Plan())
    assert admission.params == {"order_id": "O-7"}


def test_a_rollback_that_asks_for_what_the_result_has_not_is_rejected() -> None:
    admission = admit_compensation(
        compensation_of("f", "cancel", epoch=1, order_id="{{id}}"), None, row(outcome="ok"), None, Plan()
    )
    assert admission.result is not None
    assert admission.result.outcome == "rejected"
    assert "{{id}}: there is no 'id'; holds order_id" in (admission.result.error or "")


def test_what_was_undone_under_another_id_is_not_undone_again() -> None:
    again = compensation_of("f", "cancel", "f.c2", epoch=1)
    assert admit_compensation(again, None, row(outcome="ok"), row(outcome="ok"), Plan()).decision is Decision.SETTLED
    assert admit_compensation(again, None, row(outcome="ok"), row(here=True), Plan()).decision is Decision.WAIT


@pytest.mark.parametrize(
    ("known", "plan", "code"),
    [
        (None, Plan(rejected="no such action", kind_known=False), "no_action"),
        (None, Plan(rejected="sku: missing"), "bad_params"),
        (None, Plan(expired="too late"), "expired"),
        (row("once"), Plan("once"), "interrupted"),
        (row(), Plan(rejected="no such action"), "interrupted"),
        (row(lone_crashes=5), Plan(), "poison"),
    ],
)
def test_what_will_never_be_done_says_so_by_a_stable_code(known: LedgerRow | None, plan: Plan, code: str) -> None:
    result = admit(command("f", "order", epoch=1), known, plan).result
    assert result is not None
    assert result.code == code
